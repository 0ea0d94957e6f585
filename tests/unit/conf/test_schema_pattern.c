/*
 * test_schema_pattern.c - each hand-written reader of a CRD pattern against PCRE2 with the CRD's
 * own text: fixed samples, and random texts made of the characters that matter. Then what hangs on
 * the tables as a whole: defaults that were bound by hand equal their JSON text, every field is
 * documented, offsets do not overlap.
 */
#include "tests/unit/conf/kinds_help.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/hash.h"
#include "conf/kinds/pattern.h"

static const char *const samples[] = {
	"", "a", "A", "0", "-", ".", "_", "*", "a-b", "-a", "a-", "a.b", "a..b", ".a", "a.", "a-.b",
	    "a.-b", "*.a", "*.a.b",
	"*a", "a.*", "*.*", "example.com", "Example.com", "example.com/", "example.com/x", "/x",
	    "example.com/x/y",
	"example.com/x y", "x/IPAddress", "Hostname", "HostnameX", "xHostname", "NamedAddress",
	    "IPAddress", "zzz",
	"a/ b/c", "HTTP", "https", "H-T", "-H", "acme.io/TLS", "acme.io/T-S", "acme.io/", "A/b",
	    "a/b", "http://a",
	"https://a", "ftp://a", "http://*", "http://*.a", "http://*.a:80", "http://a:123456",
	    "http://a:", "http://",
	"http://a.", "http://a..b", "http://*:8", "/", "/a/b", "/%2f", "/%2", "/%zz", "a%20",
	    "spiffe://a/b", "a:b", "a:/",
	"://", "x://", "?://", "System", "Systemx", "a.io/b", "a.io/-b", "a.io/b-",
	    "a.io/1234567890123456789012345678901"
	"23456789012345678901234567890123",
	    "a.io/12345678901234567890123456789012345678901234567890123456789012345",
	"1s", "1m30s", "1", "s", "100000s", "99999h", "1h1m1s1ms", "1h1m1s1ms1s", "1ms", "01s",
	    "1.5s", "-1s", "a b",
	"a  b", "a\tb", " a", "a ", "a\n", "\n", "a\x7f", "\xc3\xa4", "pkg.Service", ".pkg.Service",
	    "..a", "1a", "_a", "a1.b_2",
	"a.1b", "a/b/c", "a:b", "a,b", "a_", "a,", "a:", "x--y", "a.b/c.d", "a.b/", "A.b/c", "100m",
};

static void
compare(const struct pattern *p, pcre2_code *code, pcre2_match_data *m, struct bytes text)
{
	bool want = pcre2_match(code, (PCRE2_SPTR)text.p, text.n, 0, 0, m, NULL) >= 0;
	bool got = p->match(text);

	if (want != got)
		fail_msg("pattern %s on \"%.*s\": PCRE2 says %d, the reader %d", p->text,
		    BYTES_ARG(text), want, got);
}

static void
test_patterns(void **state)
{
	static const char letters[] = "aabz019AZ-._*/:%,;=~!#?@ \t\nhsm&'()^`|$+";
	uint64_t seed = 0x5eed;

	(void)state;
	for (unsigned i = 0; i < pattern_count; i++) {
		const struct pattern *p = pattern_all[i];
		PCRE2_SIZE at;
		int err;
		/* `$` of Go's RE2 is the very end */
		pcre2_code *code = pcre2_compile((PCRE2_SPTR)p->text, PCRE2_ZERO_TERMINATED,
		    PCRE2_DOLLAR_ENDONLY, &err, &at,
		    NULL);
		pcre2_match_data *m = pcre2_match_data_create(64, NULL);
		unsigned yes = 0;

		assert_non_null(code);
		for (size_t k = 0; k < HG_ARRAY_LEN(samples); k++) {
			compare(p, code, m, bytes_str(samples[k]));
			yes += p->match(bytes_str(samples[k]));
		}
		assert_true(yes > 0 && yes < HG_ARRAY_LEN(samples));
		for (unsigned k = 0; k < 6000; k++) {
			char text[80];
			size_t n = 0, len;

			/* Random from a sample: one or two bytes changed, else random
			 * throughout. */
			seed = hash_mix(seed + 0x9e3779b97f4a7c15ull);
			if (seed % 3) {
				const char *from = samples[(seed >> 8) % HG_ARRAY_LEN(samples)];

				n = HG_MIN(strlen(from), sizeof(text) - 2);
				memcpy(text, from, n);
				for (unsigned e = 0; e <= (seed >> 20) % 2; e++) {
					char c = letters[(seed >> (24 +
					    6 * e)) % (sizeof(letters) - 1)];

					if (n && (seed >> 40) % 2)
						text[(seed >> (44 + e)) % n] = c;
					else
						text[n++] = c;
				}
			} else {
				for (len = (seed >> 8) % 12; n < len; n++) {
					seed = hash_mix(seed + 0x9e3779b97f4a7c15ull);
					text[n] = letters[seed % (sizeof(letters) - 1)];
				}
			}
			compare(p, code, m, bytes_of(text, n));
		}
		pcre2_match_data_free(m);
		pcre2_code_free(code);
	}
}

/* ---- the tables */
static void
each_struct(const struct kstruct *s, unsigned depth, void (*fn)(const struct kstruct *))
{
	assert_true(depth < 16);
	fn(s);
	for (unsigned i = 0; i < s->n; i++)
		if (s->fields[i].sub)
			each_struct(s->fields[i].sub, depth + 1, fn);
}

static void
each_table(void (*fn)(const struct kstruct *))
{
	for (unsigned i = 0; i < KIND_COUNT; i++) {
		each_struct(kind_table[i].spec, 0, fn);
		if (kind_table[i].spec_alpha)
			each_struct(kind_table[i].spec_alpha, 0, fn);
		if (kind_table[i].status_schema)
			each_struct(kind_table[i].status_schema, 0, fn);
	}
	each_struct(&ks_headgate, 0, fn);
	fn(&ks_meta);
}

static size_t
slot_size(const struct kfield *f)
{
	switch ((enum field_type)f->type) {
	case FT_STRING:
		return sizeof(struct bytes);
	case FT_INT:
		return sizeof(struct k_int);
	case FT_NUMBER:
		return sizeof(struct k_number);
	case FT_BOOL:
		return sizeof(struct k_bool);
	case FT_ENUM:
		return 1;
	case FT_DURATION:
		return sizeof(struct k_duration);
	case FT_STRUCT:
	case FT_ANY:
		return sizeof(void *);
	case FT_LIST:
	case FT_STRINGS:
	case FT_INTS:
	case FT_MAP:
		return sizeof(k_map);
	case FT_INT_OR_STRING:
		return sizeof(struct k_int_or_string);
	case FT_LIMIT:
		return sizeof(int64_t);
	case FT_INLINE:
	case FT_IGNORED:
		return 0;
	}
	return 0;
}

static void
sound(const struct kstruct *s)
{
	assert_non_null(s->name);
	assert_true(s->n <= 64);
	for (unsigned i = 0; i < s->n; i++) {
		const struct kfield *f = &s->fields[i];

		if (!f->doc || !f->doc[0] || f->doc[strlen(f->doc) - 1] != '.')
			if (!f->doc || !strstr(f->doc, "…"))
				fail_msg("%s.%s has no sentence for explain", s->name, f->name);
		assert_int_equal(f->type == FT_STRUCT || f->type == FT_LIST || f->type == FT_INLINE,
		    f->sub != NULL);
		assert_true(f->type != FT_ENUM || f->names);
		assert_true((f->list == LIST_MAP) == (f->keys != NULL));
		assert_true(!s->size || f->off + slot_size(f) <= s->size);
		if (s->size && !(s->flags & FF_NO_NODE) && slot_size(f))
			assert_true(f->off >= sizeof(struct node *));
		for (unsigned k = 0; s->size && k < i; k++) {
			const struct kfield *g = &s->fields[k];

			assert_string_not_equal(f->name, g->name);
			assert_true(!slot_size(f) || !slot_size(g) || f->off >= g->off +
			    slot_size(g) ||
			    g->off >= f->off + slot_size(f));
		}
	}
}

static void
test_tables_are_sound(void **state)
{
	(void)state;
	each_table(sound);
}

static int
take_root(void *arg, struct node *root)
{
	*(struct node **)arg = root;
	return 1;
}

static struct node *
json_node(struct arena *a, const char *json)
{
	struct node *root = NULL;
	struct diags d;
	char *text = arena_printf(a, "{\"k\": %s}", json);

	diags_init(&d, a);
	read_text(a, &d, BYTES("d.json"), bytes_str(text), 0, BYTES_NONE, take_root, &root);
	assert_non_null(root);
	return node_get(root, "k");
}

static void
same_canon(const struct kstruct *s, const void *x, const void *y)
{
	char one[2048], two[2048];
	struct canon a = {.p = one, .cap = sizeof(one)}, b = {.p = two, .cap = sizeof(two)};

	schema_canon(s, x, &a);
	schema_canon(s, y, &b);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.p, b.p, a.n);
	canon_release(&a);
	canon_release(&b);
}

static unsigned prebuilts;

static void
default_is_its_text(const struct kstruct *s)
{
	for (unsigned i = 0; i < s->n && s->size; i++) {
		const struct kfield *f = &s->fields[i];
		struct arena a;
		struct diags d;
		struct node *n;

		if (!f->prebuilt)
			continue;
		arena_init(&a, 4096, 0);
		diags_init(&d, &a);
		n = json_node(&a, f->def);
		if (f->type == FT_LIST) {
			const struct {
				const void *v;
				uint32_t n;
			} *l = f->prebuilt;

			assert_int_equal(l->n, 1);
			assert_int_equal(n->n, 1);
			same_canon(f->sub, l->v, struct_bind(&a, &d, f->sub, n->first));
		} else {
			same_canon(f->sub, f->prebuilt, struct_bind(&a, &d, f->sub, n));
		}
		assert_int_equal(d.errors, 0);
		prebuilts++;
		arena_release(&a);
	}
}

static void
test_defaults(void **state)
{
	(void)state;
	each_table(default_is_its_text);
	assert_true(prebuilts > 8);
}

/* The CLI's names of kinds. */
static void
test_nouns(void **state)
{
	static const struct {
		const char *noun;
		enum kind_id id;
	} rows[] = {
		{"gtw", KIND_GATEWAY}, {"gateways", KIND_GATEWAY}, {"Gateway", KIND_GATEWAY},
		    {"GATEWAY", KIND_GATEWAY},
		{"httproute", KIND_HTTPROUTE}, {"httproutes.gateway.networking.k8s.io",
		    KIND_HTTPROUTE},
		{"svc", KIND_SERVICE}, {"cm", KIND_CONFIGMAP}, {"ns", KIND_NAMESPACE},
		    {"gc", KIND_GATEWAYCLASS},
		{"wl", KIND_WORKLOAD}, {"btlspolicy", KIND_BACKENDTLSPOLICY},
		    {"xbackend", KIND_XBACKEND},
		{"refgrant", KIND_REFERENCEGRANT}, {"ep", KIND_ENDPOINTS},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		const struct kind *k = kind_by_noun(bytes_str(rows[i].noun));

		assert_non_null(k);
		assert_int_equal(k->id, rows[i].id);
	}
	assert_null(kind_by_noun(BYTES("pods")));
	assert_null(kind_by_noun(BYTES("")));
	assert_null(kind_by_noun(BYTES("gateway.example.com")));
	assert_ptr_equal(kind_by_name(BYTES("networking.istio.io"), BYTES("WorkloadEntry")),
	    kind_by_id(KIND_WORKLOAD));
	assert_null(kind_by_id(KIND_COUNT));
	for (unsigned i = 0; i < KIND_COUNT; i++)
		assert_int_equal(kind_table[i].id, i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns),
	    cmocka_unit_test(test_tables_are_sound),
	    cmocka_unit_test(test_defaults), cmocka_unit_test(test_nouns)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
