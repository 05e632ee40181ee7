/* wire/octet.c -- the table of octet.h. */
/* SPDX-License-Identifier: MIT */
#include "wire/octet.h"

#define C RCPT_OCTET_CTL
#define T RCPT_OCTET_ATEXT
#define H (RCPT_OCTET_ATEXT | RCPT_OCTET_LDH)
#define A (RCPT_OCTET_ATEXT | RCPT_OCTET_LDH | RCPT_OCTET_ALNUM)
#define U RCPT_OCTET_UTF8
const unsigned char rcpt_octets[256] = {
    C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,   /* 00..0F */
    C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,   /* 10..1F */
    0, T, 0, T, T, T, T, T, 0, 0, T, T, 0, H, 0, T,   /* 20..2F */
    A, A, A, A, A, A, A, A, A, A, 0, 0, 0, T, 0, T,   /* 30..3F */
    0, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,   /* 40..4F */
    A, A, A, A, A, A, A, A, A, A, A, 0, 0, 0, T, T,   /* 50..5F */
    T, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,   /* 60..6F */
    A, A, A, A, A, A, A, A, A, A, A, T, T, T, T, C,   /* 70..7F */
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,   /* 80..8F */
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,   /* 90..9F */
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,   /* A0..AF */
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,   /* B0..BF */
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,   /* C0..CF */
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,   /* D0..DF */
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,   /* E0..EF */
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,   /* F0..FF */
};
#undef C
#undef T
#undef H
#undef A
#undef U

rcpt_diagnosis rcpt_octet_blame(char c, rcpt_diagnosis otherwise)
{
    if (rcpt_is_blank(c))
        return RCPT_DIAG_WHITE_SPACE;
    if (rcpt_octet(c) & RCPT_OCTET_CTL)
        return RCPT_DIAG_CONTROL_CHARACTER;
    if (c == '(' || c == ')')
        return RCPT_DIAG_COMMENT;
    return otherwise;
}
