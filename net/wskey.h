/*
 * wskey.h - the handshake of RFC 6455 section 4: the nonce that a client sends and what the server
 * must make of it. Any process with OpenSSL.
 */
#ifndef NET_WSKEY_H
#define NET_WSKEY_H

#include <stdint.h>

#include "base/bytes.h"

#define WSKEY_TEXT 28 /* length of Sec-WebSocket-Accept */
#define WSKEY_NONCE 24

void wskey_nonce(const uint64_t random[2], char out[WSKEY_NONCE + 1]);
/* Sec-WebSocket-Accept for a Sec-WebSocket-Key, which may be anything. */
void wskey_accept(struct bytes key, char out[WSKEY_TEXT + 1]);

#endif
