/* base/limits.h -- every ceiling, with the clause it comes from. Bytes unless said. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_BASE_LIMITS_H
#define RCPT_BASE_LIMITS_H

#define RCPT_LOCAL_MAX     64     /* RFC 5321 4.5.3.1.1                                    */
#define RCPT_DOMAIN_MAX    253    /* RFC 1035 2.3.4: 255 on the wire, 253 as text          */
#define RCPT_LABEL_MAX     63     /* RFC 1035 2.3.4                                        */
#define RCPT_PATH_MAX      254    /* RFC 5321 4.5.3.1.3 less the brackets (erratum 1690)   */

#define RCPT_LINE_MAX      2048   /* RFC 5321 4.5.3.1.5 says 512; real servers exceed it:  */
                                  /* what is longer is cut, not fatal                      */
#define RCPT_REPLY_MAX     65536  /* bytes one whole reply may take on the wire            */
#define RCPT_REPLY_LINES   128    /* lines one reply may have                              */
#define RCPT_TEXT_MAX      1024   /* text kept of one reply, its lines joined              */
#define RCPT_COMMAND_MAX   1024   /* RFC 5321 4.5.3.1.4 and the parameters we may add      */
#define RCPT_TRANSCRIPT_MAX 32768 /* kept of one dialogue, when asked for                  */

#define RCPT_TLS_CHAIN_MAX 102400 /* a peer's certificate chain                            */
#define RCPT_TLS_HELD_MAX  65536  /* TLS bytes held in one direction                       */

#define RCPT_ADDRS_MAX     8      /* addresses of one host tried, both families            */
#define RCPT_SERVERS_MAX   8      /* nameservers                                           */
#define RCPT_RECORDS_MAX   64     /* records kept of one DNS answer                        */
#define RCPT_INFLIGHT      100    /* DNS questions under way at once; above about 270 on   */
                                  /* one socket resolvers drop them                        */
#define RCPT_ANSWERS_MAX   10000  /* DNS answers cached                                    */
#define RCPT_TTL_MAX_S     86400  /* a longer TTL is taken as a day (RFC 8767 4)           */
#define RCPT_DENIAL_MAX_S  10800  /* RFC 2308 5: a denial is kept three hours at most      */

#endif
