/*
 * client_tls.c - ClientTrafficPolicy.tls (reference/policies.md 8.1): versions, names of ciphers
 * and groups, protocols, sessions, and what is asked of a client's certificate. Names are asked of
 * OpenSSL one by one, since it takes a whole list that has one good name; a name that it does not
 * know makes the policy Invalid. A check of clients that cannot be made is an error too, never left
 * out: the listener then answers 500.
 */
#include <openssl/objects.h>
#include <openssl/ssl.h>

#include "base/parse.h"
#include "base/pem.h"
#include "base/regex.h"
#include "conf/resolve/certificate.h"
#include "conf/resolve/traffic.h"

struct ctx {
	struct scope *sc;
	struct t_policy *p;
	struct m_tls *t; /* what it says, as far as it says something */
};

#define BAD(c, ...) words_addf((c)->sc, &(c)->p->errors, __VA_ARGS__)

/* ---- names of OpenSSL */

/* OpenSSL's name of a suite that it would serve, by its own or by IANA's name; NULL: none. */
static const char *
suite(SSL_CTX *ssl, struct bytes name)
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ssl);

	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *s = sk_SSL_CIPHER_value(all, i);
		const char *std = SSL_CIPHER_standard_name(s);

		if (bytes_eq(name, bytes_str(SSL_CIPHER_get_name(s))) ||
		    (std != NULL && bytes_eq(name, bytes_str(std))))
			return SSL_CIPHER_get_name(s);
	}
	return NULL;
}

static struct bytes
append(struct ctx *c, struct bytes list, const char *name)
{
	return bytes_str(list.n == 0 ? name :
		arena_printf(c->sc->arena, "%.*s:%s", BYTES_ARG(list), name));
}

/* "A", or "[A|B|C]": the same preference for all, which OpenSSL has not: in this order. */
static void
cipher(struct ctx *c, SSL_CTX *ssl, struct bytes text)
{
	struct bytes rest = text;

	if (rest.n > 1 && rest.p[0] == '[' && rest.p[rest.n - 1] == ']')
		rest = bytes_of(rest.p + 1, rest.n - 2);
	while (rest.n != 0) {
		ptrdiff_t bar = bytes_chr(rest, '|', 0);
		struct bytes one = bar < 0 ? rest : bytes_of(rest.p, (size_t)bar);
		const char *name = suite(ssl, one);

		rest = bar < 0 ? BYTES_NONE :
				 bytes_of(rest.p + bar + 1, rest.n - (size_t)bar - 1);
		if (name == NULL)
			BAD(c, "TLS: cipher %.*s is not known or not safe enough to be served.",
			    BYTES_ARG(one));
		else if (strncmp(name, "TLS_", 4) == 0)
			c->t->ciphersuites = append(c, c->t->ciphersuites, name);
		else
			c->t->ciphers = append(c, c->t->ciphers, name);
	}
}

static bool
set_curve(SSL_CTX *ssl, const char *name)
{
	return SSL_CTX_set1_groups_list(ssl, name) == 1;
}

static bool
set_sigalg(SSL_CTX *ssl, const char *name)
{
	return SSL_CTX_set1_sigalgs_list(ssl, name) == 1;
}

/* The list with one more name, if OpenSSL takes it. */
static struct bytes
one_of(struct ctx *c, SSL_CTX *ssl, bool (*set)(SSL_CTX *, const char *), const char *what,
    struct bytes text, struct bytes list)
{
	const char *name = arena_dup(c->sc->arena, text);

	if (text.n <= 64 && strchr(name, ':') == NULL && set(ssl, name))
		return append(c, list, name);
	BAD(c, "TLS: %s %.64s is not known.", what, name);
	return list;
}

static void
names(struct ctx *c, const struct k_ct_tls *k)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

	if (ssl == NULL) {
		BAD(c, "TLS: out of memory.");
		return;
	}
	(void)SSL_CTX_set_cipher_list(ssl, "ALL:!aNULL:!eNULL:!aPSK:!aSRP");
	for (uint32_t i = 0; i < k->ciphers.n; i++)
		cipher(c, ssl, k->ciphers.v[i]);
	for (uint32_t i = 0; i < k->curves.n; i++)
		c->t->curves = one_of(
		    c, ssl, set_curve, "curve", k->curves.v[i], c->t->curves);
	for (uint32_t i = 0; i < k->signatures.n; i++)
		c->t->sigalgs = one_of(
		    c, ssl, set_sigalg, "signature algorithm", k->signatures.v[i], c->t->sigalgs);
	SSL_CTX_free(ssl);
}

static void
alpn(struct ctx *c, const struct k_ct_tls *k)
{
	static const char *const known[] = {"h2", "http/1.1", "http/1.0"};
	char wire[32];
	size_t n = 0;

	if (k->alpn.v == NULL)
		return;
	for (uint32_t i = 0; i < k->alpn.n; i++) {
		struct bytes name = k->alpn.v[i];
		unsigned j = 0;

		while (j < HG_ARRAY_LEN(known) && !bytes_eq(name, bytes_str(known[j])))
			j++;
		if (j == HG_ARRAY_LEN(known)) {
			BAD(c, "TLS: protocol %.*s is not served.", BYTES_ARG(name));
		} else if (n + name.n < sizeof(wire)) {
			wire[n++] = (char)name.n;
			memcpy(wire + n, name.p, name.n);
			n += name.n;
		}
	}
	c->t->alpn = n == 0 ? BYTES_NONE : arena_bytes(c->sc->arena, bytes_of(wire, n));
}

/* ---- certificates of clients */

static struct m_certcheck *
check(struct ctx *c, uint8_t kind, uint8_t match, struct bytes value)
{
	struct m_certcheck *k = &c->t->checks[c->t->nchecks++];

	*k = (struct m_certcheck){.kind = kind, .match = match, .value = value};
	return k;
}

/* Pairs of hex digits, perhaps with colons between. */
static bool
digest_of(struct bytes text, unsigned char out[32])
{
	unsigned n = 0;
	uint64_t v;

	while (text.n >= 2 && n < 32 && parse_hex(bytes_of(text.p, 2), 255, &v)) {
		size_t used = text.n > 2 && text.p[2] == ':' ? 3 : 2;

		out[n++] = (unsigned char)v;
		text = bytes_of(text.p + used, text.n - used);
	}
	return n == 32 && text.n == 0;
}

static void
pins(struct ctx *c, const struct k_client_validation *v)
{
	for (uint32_t i = 0; i < v->spki.n; i++) {
		unsigned char *raw = arena_alloc(c->sc->arena, v->spki.v[i].n + 4);
		size_t n = 0;

		if (parse_base64(v->spki.v[i], raw, &n) && n == 32)
			check(c, IM_CC_SPKI, IM_CM_EXACT, bytes_of((char *)raw, 32));
		else
			BAD(c, "TLS: spkiHashes[%u] is not the base64 of a SHA-256.", i);
	}
	for (uint32_t i = 0; i < v->hashes.n; i++) {
		unsigned char *raw = arena_alloc(c->sc->arena, 32);

		if (digest_of(v->hashes.v[i], raw))
			check(c, IM_CC_HASH, IM_CM_EXACT, bytes_of((char *)raw, 32));
		else
			BAD(c, "TLS: certificateHashes[%u] is not a SHA-256 in hex.", i);
	}
}

static void
match(struct ctx *c, uint8_t kind, const char *list, uint32_t i, const struct k_match *m)
{
	static const uint8_t matches[] = {
	    IM_CM_EXACT, IM_CM_EXACT, IM_CM_PREFIX, IM_CM_SUFFIX, IM_CM_REGEX};
	struct m_certcheck *k = check(c, kind, matches[m->type], m->value);
	struct regex *re;
	char why[160];
	size_t at;

	k->oid = m->oid;
	if (m->value.n > 1024)
		BAD(c, "TLS: %s[%u] is too long.", list, i);
	if (kind == IM_CC_OTHER) {
		ASN1_OBJECT *oid = OBJ_txt2obj(arena_dup(c->sc->arena, m->oid), 1);

		if (oid == NULL || m->oid.n > 255)
			BAD(c, "TLS: %s[%u].oid is not an OID.", list, i);
		ASN1_OBJECT_free(oid);
	}
	if (k->match != IM_CM_REGEX)
		return;
	re = regex_new(m->value, why, &at);
	if (re == NULL)
		BAD(c, "TLS: %s[%u]: %s.", list, i, why);
	else
		regex_free(re);
}

static void
sans(struct ctx *c, const struct k_sans *k)
{
#define EACH(kind, list, name) \
	for (uint32_t i = 0; i < k->list.n; i++) \
		match(c, kind, "subjectAltNames." name, i, &k->list.v[i]);
	EACH(IM_CC_DNS, dns, "dnsNames")
	EACH(IM_CC_EMAIL, email, "emailAddresses")
	EACH(IM_CC_IP, ip, "ipAddresses")
	EACH(IM_CC_URI, uri, "uris")
	EACH(IM_CC_OTHER, other, "otherNames")
#undef EACH
}

static uint32_t
san_count(const struct k_sans *k)
{
	return k == NULL ? 0 : k->dns.n + k->email.n + k->ip.n + k->uri.n + k->other.n;
}

static void
authorities(struct ctx *c, const struct k_client_validation *v)
{
	struct bytes ns = c->p->obj->meta.ns;
	struct faults f = {REF_OK, NULL};
	struct cas cas = {0}, crls = {0};

	for (uint32_t i = 0; i < v->cas.n; i++)
		(void)ca_get(c->sc, KIND_CLIENTTRAFFICPOLICY, ns, &v->cas.v[i], &f, &cas);
	for (uint32_t i = 0; v->crl != NULL && i < v->crl->refs.n; i++)
		(void)crl_get(c->sc, KIND_CLIENTTRAFFICPOLICY, ns, &v->crl->refs.v[i], &f, &crls);
	if (f.text != NULL)
		BAD(c, "TLS: %s.", f.text->p);
	else if (cas.n == 0 && c->t->client >= IM_CA_VERIFY_IF_GIVEN)
		BAD(c, "TLS: clientValidation has no caCertificateRefs.");
	c->t->cas = cas.v;
	c->t->ncas = (uint32_t)cas.n;
	c->t->crls = crls.v;
	c->t->ncrls = (uint32_t)crls.n;
	c->t->crl_leaf = v->crl != NULL && v->crl->leaf.v;
}

static void
validation(struct ctx *c, const struct k_client_validation *v)
{
	static const uint8_t modes[] = {IM_CA_REQUIRE, IM_CA_REQUEST, IM_CA_REQUIRE_ANY,
	    IM_CA_VERIFY_IF_GIVEN, IM_CA_REQUIRE};

	c->t->client = v->mode == 0 && v->optional.v ? IM_CA_VERIFY_IF_GIVEN : modes[v->mode];
	c->t->checks = arena_alloc(c->sc->arena,
	    (v->spki.n + v->hashes.n + san_count(v->sans) + 1ul) * sizeof(*c->t->checks));
	pins(c, v);
	if (v->sans != NULL)
		sans(c, v->sans);
	c->t->expired = v->expired.v;
	authorities(c, v);
}

/* ---- */

void
client_tls_compile(struct scope *sc, struct t_policy *p)
{
	static const uint16_t versions[] = {0, 0, 0x0301, 0x0302, 0x0303, 0x0304};
	const struct k_clienttrafficpolicy *policy = p->obj->spec;
	const struct k_ct_tls *k = policy->tls;
	struct ctx c = {sc, p, NULL};

	if (k == NULL)
		return;
	p->tls = c.t = arena_zalloc(sc->arena, sizeof(*c.t));
	if (k->signatures.v != NULL)
		words_addf(sc, &p->unserved, "spec.tls.signatureAlgorithms%s",
		    node_position(sc, node_get(k->node, "signatureAlgorithms")));
	if (k->min == K_TLS_10 || k->min == K_TLS_11)
		words_addf(sc, &p->unserved, "spec.tls.minVersion below 1.2%s",
		    node_position(sc, node_get(k->node, "minVersion")));
	if (k->max == K_TLS_10 || k->max == K_TLS_11)
		BAD(&c, "TLS: versions below 1.2 are not served.");
	c.t->min_version = versions[k->min] >= 0x0303 ? versions[k->min] : 0;
	c.t->max_version = versions[k->max] >= 0x0303 ? versions[k->max] : 0;
	names(&c, k);
	alpn(&c, k);
	if (k->client != NULL)
		validation(&c, k->client);
}

/* On a listener; what is not said stays as it is. One in error answers 500 and needs none. */
void
client_tls(const struct t_policy *p, struct m_tls *t)
{
	const struct k_clienttrafficpolicy *policy = p->obj->spec;
	const struct k_ct_tls *k = policy->tls;
	const struct m_tls *own = p->tls;

	if (own == NULL || p->errors.n != 0)
		return;
	if (own->min_version != 0)
		t->min_version = own->min_version;
	if (own->max_version != 0)
		t->max_version = own->max_version;
	if (own->ciphers.n != 0)
		t->ciphers = own->ciphers;
	if (own->ciphersuites.n != 0)
		t->ciphersuites = own->ciphersuites;
	if (own->curves.n != 0)
		t->curves = own->curves;
	if (own->sigalgs.n != 0)
		t->sigalgs = own->sigalgs;
	if (k->alpn.v != NULL)
		t->alpn = own->alpn;
	if (k->session != NULL)
		t->tickets = k->session->resumption != NULL &&
		    (k->session->resumption->stateless != NULL ||
			k->session->resumption->stateful != NULL);
	if (k->client == NULL)
		return;
	t->client = own->client;
	t->cas = own->cas;
	t->ncas = own->ncas;
	t->crls = own->crls;
	t->ncrls = own->ncrls;
	t->checks = own->checks;
	t->nchecks = own->nchecks;
	t->crl_leaf = own->crl_leaf;
	t->expired = own->expired;
}
