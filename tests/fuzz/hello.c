/*
 * hello.c - fuzzes the reader of a TLS client's first message. A name that comes out is one that
 * may go into a host table; every prefix of an accepted hello asks for more or is refused, never
 * read differently.
 */
#include "net/hello.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static unsigned char scratch[HELLO_MAX];
	struct hello h, part;

	if (hello_parse(data, n, scratch, &h) != HG_OK)
		return 0;
	HG_CHECK(h.sni_len <= HELLO_NAME_MAX && strlen(h.sni) == h.sni_len);
	for (size_t i = 0; i < h.sni_len; i++)
		HG_CHECK(h.sni[i] > ' ' && h.sni[i] < 0x7f && (h.sni[i] < 'A' || h.sni[i] > 'Z'));
	HG_CHECK(!h.sni_len || h.sni[h.sni_len - 1] != '.' || h.sni_len == 1);
	HG_CHECK(h.alpn || (!h.h2 && !h.http11));
	for (size_t k = 0; k < n && k < 64; k++) {
		enum hg_err e = hello_parse(data, k, scratch, &part);

		HG_CHECK(e == HG_ERR_AGAIN || e == HG_ERR_BAD_REQUEST || e == HG_ERR_RANGE);
	}
	return 0;
}
