/* wire/diagnosis.h -- why an address was refused: one list of names, clauses and prose.
 *
 * The enum, the stable name (what a verdict carries as `diagnosis`), the clause and the human
 * text grow from RCPT_DIAGNOSES. Names are covered by the version; texts are not. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_DIAGNOSIS_H
#define RCPT_WIRE_DIAGNOSIS_H

#include <stddef.h>

/* X(id, name, clause, text) */
#define RCPT_DIAGNOSES(X)                                                                          \
    /* the whole */                                                                                \
    X(EMPTY, "empty", "RFC 5321 4.1.2", "there is nothing here")                                   \
    X(NO_AT, "no_at", "RFC 5321 4.1.2", "there is no @ after the local part")                      \
    X(AT_TWICE, "at_twice", "RFC 5321 4.1.2", "a second @; in a local part it must be quoted")     \
    X(PATH_TOO_LONG, "path_too_long", "RFC 5321 4.5.3.1.3", "over 254 octets in all")              \
    X(SOURCE_ROUTE, "source_route", "RFC 5321 C", "a source route, which is obsolete")             \
    X(WHITE_SPACE, "white_space", "RFC 5321 4.1.2",                                                \
      "white space outside of quotes; RFC 5322 let it stand there, SMTP does not")                 \
    X(COMMENT, "comment", "RFC 5321 4.1.2",                                                        \
      "a parenthesis; RFC 5322 lets comments stand there, SMTP does not")                          \
    X(CONTROL_CHARACTER, "control_character", "RFC 5321 4.1.2", "a control character")             \
    X(UTF8_BAD, "utf8_bad", "RFC 3629 3", "bytes that are not UTF-8")                              \
    /* a name before the address */                                                                \
    X(DISPLAY_NAME_OFF, "display_name_off", "RFC 5321 4.1.2",                                      \
      "angle brackets, with or without a name before them, are not part of an address")            \
    X(DISPLAY_NAME_BAD, "display_name_bad", "RFC 5322 3.4", "what stands before < is no name")     \
    X(ANGLE_OPEN, "angle_open", "RFC 5322 3.4", "a < without its >")                               \
    X(ANGLE_AFTER, "angle_after", "RFC 5322 3.4", "something after the closing >")                 \
    X(TOO_LONG, "too_long", "RFC 5322 2.1.1", "over 998 octets with its name")                     \
    /* the local part */                                                                           \
    X(LOCAL_EMPTY, "local_empty", "RFC 5321 4.1.2", "nothing before the @")                        \
    X(LOCAL_TOO_LONG, "local_too_long", "RFC 5321 4.5.3.1.1", "a local part over 64 octets")       \
    X(LOCAL_DOT_FIRST, "local_dot_first", "RFC 5321 4.1.2", "a dot begins the local part")         \
    X(LOCAL_DOT_LAST, "local_dot_last", "RFC 5321 4.1.2", "a dot ends the local part")             \
    X(LOCAL_DOT_DOUBLE, "local_dot_double", "RFC 5321 4.1.2", "two dots in a row")                 \
    X(LOCAL_CHARACTER, "local_character", "RFC 5321 4.1.2",                                        \
      "a character that must be quoted in a local part")                                           \
    X(LOCAL_FORMAT, "local_format", "RFC 8264 9.13",                                               \
      "an invisible character: a format character or one that may be ignored")                     \
    X(LOCAL_PRIVATE, "local_private", "RFC 8264 9.12", "a private-use character")                  \
    X(LOCAL_UNASSIGNED, "local_unassigned", "RFC 8264 9.10",                                       \
      "a code point that is no character (yet)")                                                   \
    X(LOCAL_COMBINING, "local_combining", "RFC 6532 3.1",                                          \
      "a combining mark with nothing to combine with")                                             \
    X(LOCAL_UNSAFE, "local_unsafe", "RFC 8264 9.17",                                               \
      "a character that normalisation may turn into an ASCII one, or that stands for lost text")   \
    X(SMTPUTF8_OFF, "smtputf8_off", "RFC 6531 3.3",                                                \
      "a local part beyond ASCII, where the options admit none")                                   \
    X(QUOTED_OFF, "quoted_off", "RFC 5321 4.1.2",                                                  \
      "a quoted local part, where the options admit none")                                         \
    X(QUOTE_OPEN, "quote_open", "RFC 5321 4.1.2", "a quote that is never closed")                  \
    X(QUOTE_INSIDE, "quote_inside", "RFC 5321 4.1.2", "a quote inside an unquoted local part")     \
    X(QUOTE_AFTER, "quote_after", "RFC 5321 4.1.2",                                                \
      "something other than @ after the closing quote")                                            \
    X(QUOTE_PAIR, "quote_pair", "RFC 5321 4.1.2",                                                  \
      "a backslash before what it cannot quote")                                                   \
    /* the domain */                                                                               \
    X(DOMAIN_EMPTY, "domain_empty", "RFC 5321 4.1.2", "nothing after the @")                       \
    X(DOMAIN_TOO_LONG, "domain_too_long", "RFC 1035 2.3.4", "a domain over 253 octets")            \
    X(DOMAIN_CHARACTER, "domain_character", "RFC 5321 4.1.2",                                      \
      "a character that is no letter, digit or hyphen")                                            \
    X(DOMAIN_DOT_LAST, "domain_dot_last", "RFC 5321 2.3.5",                                        \
      "a dot ends the domain; in mail a domain is written without it")                             \
    X(LABEL_EMPTY, "label_empty", "RFC 5321 4.1.2",                                                \
      "nothing between two dots, or before the first")                                             \
    X(LABEL_TOO_LONG, "label_too_long", "RFC 1035 2.3.4", "a label over 63 octets")                \
    X(HYPHEN_FIRST, "hyphen_first", "RFC 5321 4.1.2", "a hyphen begins a label")                   \
    X(HYPHEN_LAST, "hyphen_last", "RFC 5321 4.1.2", "a hyphen ends a label")                       \
    X(SINGLE_LABEL, "single_label", "RFC 5321 2.3.5",                                              \
      "a domain of one label, where the options admit none")                                       \
    X(SPECIAL_USE, "special_use", "RFC 6761 4",                                                    \
      "a name set aside, which never has mail in the public DNS")                                  \
    X(TLD_NUMERIC, "tld_numeric", "RFC 1123 2.1",                                                  \
      "the last label is a number; an IP address wants brackets")                                  \
    X(ALABEL_BAD, "alabel_bad", "RFC 5890 2.3.2.1",                                                \
      "it begins with xn-- but is not what any international label is written as")                 \
    X(IDNA_DISALLOWED, "idna_disallowed", "RFC 5892 2.6", "a character that no domain may have")   \
    X(IDNA_MAPPED, "idna_mapped", "UTS 46 4.1",                                                    \
      "a character that stands for one that no domain may have")                                   \
    X(IDNA_EMPTY, "idna_empty", "UTS 46 4.2", "a label of which nothing is left once mapped")      \
    X(IDNA_CONTEXT, "idna_context", "RFC 5892 A",                                                  \
      "a character that may not stand where it stands")                                            \
    X(IDNA_COMBINING, "idna_combining", "RFC 5891 4.2.3.2", "a combining mark begins a label")     \
    X(IDNA_HYPHENS, "idna_hyphens", "RFC 5891 4.2.3.1",                                            \
      "hyphens in the third and fourth place of an international label")                           \
    X(IDNA_BIDI, "idna_bidi", "RFC 5893 2", "left-to-right and right-to-left text mixed")          \
    /* a literal */                                                                                \
    X(LITERAL_OFF, "literal_off", "RFC 5321 4.1.3",                                                \
      "an address literal, where the options admit none")                                          \
    X(LITERAL_OPEN, "literal_open", "RFC 5321 4.1.3", "a [ without its ]")                         \
    X(LITERAL_AFTER, "literal_after", "RFC 5321 4.1.3", "something after the closing ]")           \
    X(LITERAL_BAD, "literal_bad", "RFC 5321 4.1.3", "no IP address")                               \
    X(LITERAL_IPV4, "literal_ipv4", "RFC 5321 4.1.3", "not four numbers from 0 to 255")            \
    X(LITERAL_IPV6, "literal_ipv6", "RFC 5321 4.1.3", "no IPv6 address")                           \
    X(LITERAL_UNTAGGED, "literal_untagged", "RFC 5321 4.1.3",                                      \
      "an IPv6 address without the tag \"IPv6:\"")                                                 \
    X(LITERAL_GENERAL, "literal_general", "RFC 5321 4.1.3",                                        \
      "a literal of another kind than IPv4 and IPv6; none is in use")

typedef enum {
    RCPT_DIAG_NONE,                    /* nothing is wrong */
#define X(id, name, clause, text) RCPT_DIAG_##id,
    RCPT_DIAGNOSES(X)
#undef X
    RCPT_DIAG_COUNT
} rcpt_diagnosis;

/* What is wrong, and where. */
struct rcpt_refusal {
    rcpt_diagnosis why;
    size_t at;                         /* bytes before the offending one */
};

/* All static, never NULL; "none" and its like for RCPT_DIAG_NONE. */
const char *rcpt_diagnosis_name(rcpt_diagnosis d);
const char *rcpt_diagnosis_text(rcpt_diagnosis d);
const char *rcpt_diagnosis_clause(rcpt_diagnosis d);

#endif
