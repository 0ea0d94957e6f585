/*
 * pem.c - fuzzes the reader of PEM and DER as it comes in Secrets and files. What is accepted can
 * be taken apart again: a chain of whole certificates, names that may go into a host table, an id
 * that depends on the content only. The first byte says where the key begins, in parts of the text.
 */
#include "base/pem.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
chain_whole(struct bytes chain)
{
	const unsigned char *p = (const unsigned char *)chain.p;
	size_t left = chain.n;

	HG_CHECK(left > 4);
	while (left) {
		size_t k;

		HG_CHECK(left > 4);
		k = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
		HG_CHECK(k != 0 && k <= left - 4);
		p += 4 + k;
		left -= 4 + k;
	}
}

static void
names_good(const struct pem_cert *c)
{
	for (uint32_t i = 0; i < c->nnames; i++) {
		HG_CHECK(c->names[i].n > 0 && c->names[i].n <= 253);
		for (size_t k = 0; k < c->names[i].n; k++) {
			unsigned char b = (unsigned char)c->names[i].p[k];

			HG_CHECK(b > ' ' && b < 0x7f && (b < 'A' || b > 'Z'));
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes all = bytes_of((const char *)data + (n != 0), n - (n != 0)), crt, key, *ders;
	struct pem_cert c, again;
	struct arena a;
	const char *why;
	size_t cut = n ? all.n * data[0] / 255 : 0;

	arena_init(&a, 65536, 0);
	crt = bytes_of(all.p, cut ? cut : all.n);
	key = bytes_of(all.p + cut, all.n - cut);
	if (pem_certificate(&a, crt, key, false, &c) == NULL) {
		chain_whole(c.chain);
		names_good(&c);
		HG_CHECK(c.type >= PEM_RSA && c.type < PEM_OTHER && c.key.n != 0);
		HG_CHECK(pem_certificate(&a, crt, key, true, &again) == NULL);
		HG_CHECK(again.id[0] == c.id[0] && again.id[1] == c.id[1]);
	}
	why = NULL;
	HG_CHECK(pem_bundle(&a, all, &ders, &why) != 0 || why != NULL);
	why = NULL;
	HG_CHECK(pem_crls(&a, all, &ders, &why) != 0 || why != NULL);
	(void)pem_ocsp(all);
	arena_release(&a);
	return 0;
}
