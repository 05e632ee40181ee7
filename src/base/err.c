/* base/err.c -- names and texts of the errors in err.h. */
/* SPDX-License-Identifier: MIT */
#include "base/err.h"

static const struct {
    const char *name, *text;
} errors[RCPT_ERR_COUNT] = {
#define X(id, name, text) [RCPT_##id] = { name, text },
    RCPT_ERRORS(X)
#undef X
};

const char *rcpt_err_name(rcpt_err e)
{
    return (unsigned)e < RCPT_ERR_COUNT ? errors[e].name : "unknown";
}

const char *rcpt_err_text(rcpt_err e)
{
    return (unsigned)e < RCPT_ERR_COUNT ? errors[e].text : "an error outside the list";
}
