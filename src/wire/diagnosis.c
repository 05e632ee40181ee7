/* wire/diagnosis.c -- the names, clauses and texts of diagnosis.h. */
/* SPDX-License-Identifier: MIT */
#include "wire/diagnosis.h"

static const struct {
    const char *name, *clause, *text;
} diagnoses[RCPT_DIAG_COUNT] = {
    [RCPT_DIAG_NONE] = { "none", "", "nothing is wrong" },
#define X(id, name, clause, text) [RCPT_DIAG_##id] = { name, clause, text },
    RCPT_DIAGNOSES(X)
#undef X
};

const char *rcpt_diagnosis_name(rcpt_diagnosis d) { return diagnoses[d].name; }
const char *rcpt_diagnosis_text(rcpt_diagnosis d) { return diagnoses[d].text; }
const char *rcpt_diagnosis_clause(rcpt_diagnosis d) { return diagnoses[d].clause; }
