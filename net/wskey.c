/*
 * wskey.c - Sec-WebSocket-Key and -Accept, for where only one side of the way speaks HTTP/1.1: in
 * HTTP/2 there is neither (RFC 8441 section 5), so headgate asks and answers for the other side.
 * SHA-1 is what the protocol wants; nothing is secret here, and no attack on it matters.
 */
#include "net/wskey.h"

#include <openssl/evp.h>

#include "base/check.h"

void
wskey_nonce(const uint64_t random[2], char out[WSKEY_NONCE + 1])
{
	HG_CHECK(EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)random, 16) ==
	    WSKEY_NONCE);
}

void
wskey_accept(struct bytes key, char out[WSKEY_TEXT + 1])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char sum[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	unsigned n = 0;

	HG_CHECK(c != NULL && EVP_DigestInit_ex(c, EVP_sha1(), NULL) == 1 &&
	    EVP_DigestUpdate(c, key.p, key.n) == 1 &&
	    EVP_DigestUpdate(c, guid, sizeof(guid) - 1) == 1 &&
	    EVP_DigestFinal_ex(c, sum, &n) == 1 && n == 20);
	EVP_MD_CTX_free(c);
	HG_CHECK(EVP_EncodeBlock((unsigned char *)out, sum, 20) == WSKEY_TEXT);
}
