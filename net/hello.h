/*
 * hello.h - what a TLS client says first, read without OpenSSL and without taking a byte off the
 * socket: the server name and the protocols it offers. Used to choose a listener (and its context)
 * before a handshake begins, and to route TLS that is passed through. Bounded by HELLO_MAX. Pure.
 */
#ifndef NET_HELLO_H
#define NET_HELLO_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

#define HELLO_MAX 65536   /* bytes of records; a hello may span records and segments */
#define HELLO_NAME_MAX 255

struct hello {
	char sni[HELLO_NAME_MAX +
	    1]; /* lower case, one trailing dot stripped; "" if there is none */
	uint16_t sni_len;
	uint16_t version;             /* highest offered, 0x0304 = TLS 1.3 */
	bool h2, http11;              /* ALPN offers "h2", "http/1.1" */
	bool alpn;                    /* any ALPN at all */
};

/* HG_OK: *out is filled. HG_ERR_AGAIN: more bytes are needed. HG_ERR_BAD_REQUEST: not a
 * ClientHello, or one that makes no sense (lengths, name with NUL or of an address, two names).
 * HG_ERR_RANGE: too large. `scratch` has room for HELLO_MAX: a hello in several records is put
 * together there. */
enum hg_err hello_parse(const void *p, size_t n, unsigned char *scratch, struct hello *out);

#endif
