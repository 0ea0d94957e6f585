/*
 * print.c - objects and node trees back as text. An object is printed as its author wrote it, with
 * the metadata that was filled in, because people compare what they read with what they wrote;
 * defaults are for `explain`. YAML is written block by block, and a string is quoted whenever any
 * reader could take it for something else.
 */
#include "base/json.h"
#include "base/strbuf.h"
#include "conf/kinds/bind.h"
#include "conf/kinds/load.h"

#define REDACTED "<redacted>"

/* ---- JSON */
static void
print_json(const struct node *n, struct json *j, bool redact)
{
	switch ((enum node_type)n->type) {
	case NODE_NULL:
		json_null(j);
		break;
	case NODE_BOOL:
		json_bool(j, n->boolean);
		break;
	case NODE_INT:
		json_int(j, n->integer);
		break;
	case NODE_FLOAT:
		json_double(j, n->real);
		break;
	case NODE_STRING:
		json_str(j, redact ? BYTES(REDACTED) : n->text);
		break;
	case NODE_LIST:
		json_array(j);
		for (const struct node *c = n->first; c; c = c->next)
			print_json(c, j, redact);
		json_end(j, ']');
		break;
	case NODE_MAP:
		json_object(j);
		for (const struct node *c = n->first; c; c = c->next) {
			if (c->type == NODE_NULL) /* as an API server: null is absent */
				continue;
			json_keyb(j, c->key);
			print_json(c, j, redact);
		}
		json_end(j, '}');
		break;
	}
}

void
node_print_json(const struct node *n, struct strbuf *out)
{
	struct json j;

	json_init(&j, out, false);
	print_json(n, &j, false);
}

static bool
one_of(struct bytes key, const char *const *names)
{
	for (; *names; names++)
		if (bytes_eq(key, bytes_str(*names)))
			return true;
	return false;
}

static void
text_member(struct json *j, const char *key, struct bytes value)
{
	if (!value.p)
		return;
	json_key(j, key);
	json_str(j, value);
}

/* kubectl apply leaves the whole object there, a Secret's values too. */
static void
print_annotations(const struct node *n, struct json *j)
{
	json_object(j);
	for (const struct node *c = n->first; c; c = c->next) {
		if (c->type == NODE_NULL)
			continue;
		json_keyb(j, c->key);
		json_str(j, bytes_eq(c->key,
		                BYTES("kubectl.kubernetes.io/last-applied-configuration")) ?
		        BYTES(REDACTED) : c->text);
	}
	json_end(j, '}');
}

static void
print_meta(const struct object *o, const char *uid, int64_t generation, const char *created,
    bool redact, struct json *j)
{
	static const char *const own[] = {"name", "namespace", "uid", "generation",
	    "creationTimestamp",
	    "managedFields", NULL};
	const struct node *meta = node_get(o->node, "metadata");

	json_object(j);
	text_member(j, "name", o->meta.name);
	text_member(j, "namespace", o->meta.ns);
	text_member(j, "uid", o->meta.uid.p ? o->meta.uid : bytes_str(uid));
	if (o->meta.generation.set || generation) {
		json_key(j, "generation");
		json_int(j, o->meta.generation.set ? o->meta.generation.v : generation);
	}
	text_member(j, "creationTimestamp", o->meta.created.p ? o->meta.created :
	    bytes_str(created));
	for (const struct node *c = meta ? meta->first : NULL; c; c = c->next) {
		if (c->type == NODE_NULL || one_of(c->key, own))
			continue;
		json_keyb(j, c->key);
		if (redact && o->kind->id == KIND_SECRET && c->type == NODE_MAP &&
		    bytes_eq(c->key, BYTES("annotations")))
			print_annotations(c, j);
		else
			print_json(c, j, false);
	}
	json_end(j, '}');
}

static void
print_object(const struct object *o, const char *uid, int64_t generation, const char *created,
    bool redact,
    struct strbuf *out)
{
	static const char *const own[] = {"apiVersion", "kind", "metadata", "status", NULL};
	struct json j;

	json_init(&j, out, false);
	json_object(&j);
	json_key(&j, "apiVersion");
	json_str(&j, o->api_version);
	json_key(&j, "kind");
	json_str(&j, node_text(node_get(o->node, "kind")));
	json_key(&j, "metadata");
	print_meta(o, uid, generation, created, redact, &j);
	for (const struct node *c = o->node->first; c; c = c->next) {
		const struct kfield *f = o->kind->spec_at_root ?
		    schema_field(o->kind->spec, c->key) : NULL;

		if (c->type == NODE_NULL || one_of(c->key, own))
			continue;
		json_keyb(&j, c->key);
		print_json(c, &j, redact && f && (f->flags & FF_SECRET));
	}
	json_end(&j, '}');
}

void
object_print_json(const struct object *o, const char *uid, int64_t generation, const char *created,
    struct strbuf *out)
{
	print_object(o, uid, generation, created, true, out);
}

void
object_to_json(const struct object *o, struct strbuf *out)
{
	print_object(o, NULL, 0, NULL, false, out);
}

/* ---- YAML */
/* Could a YAML 1.1 or 1.2 reader take this plain text for anything but this string? */
static bool
needs_quotes(struct bytes s)
{
	static const char *const words[] = {"null", "~", "true", "false", "yes", "no", "on", "off",
	    "y", "n", ".nan",
	    ".inf", "-.inf", "+.inf", "<<", "=", NULL};

	if (s.n == 0 || s.p[0] == ' ' || s.p[s.n - 1] == ' ' || s.p[s.n - 1] == ':')
		return true;
	if (strchr("-?:,[]{}#&*!|>'\"%@`+.=<~", s.p[0]) || (s.p[0] >= '0' && s.p[0] <= '9'))
		return true;
	for (size_t i = 0; words[i]; i++)
		if (bytes_eqi(s, bytes_str(words[i])))
			return true;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c >= 0x7f || (c == '#' && s.p[i - 1] == ' ') ||
		    (c == ':' && i + 1 < s.n && s.p[i + 1] == ' '))
			return true;
	}
	return false;
}

static bool
fits_block(struct bytes s)
{
	if (s.n < 2 || s.p[s.n - 1] != '\n' || s.p[0] == ' ' || s.p[0] == '\n' ||
	    s.p[s.n - 2] == '\n' ||
	    !bytes_utf8(s, NULL))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\n') ||
		    (unsigned char)s.p[i] >= 0x7f)
			return false;
	return true;
}

static void
yaml_text(struct bytes s, unsigned indent, struct strbuf *out)
{
	struct json j;

	if (fits_block(s)) {
		strbuf_addc(out, '|');
		s.n--;
		while (s.p) {
			struct bytes line = bytes_cut(&s, '\n');

			strbuf_addc(out, '\n');
			if (line.n)
				strbuf_pad(out, ' ', indent);
			strbuf_add(out, line);
		}
	} else if (needs_quotes(s)) {
		json_init(&j, out, false);
		json_str(&j, s);
	} else {
		strbuf_add(out, s);
	}
}

static void
yaml_scalar(const struct node *n, unsigned indent, struct strbuf *out)
{
	struct json j;

	if (n->type == NODE_STRING) {
		yaml_text(n->text, indent, out);
		return;
	}
	json_init(&j, out, false);
	print_json(n, &j, false);
}

static bool
empty(const struct node *n)
{
	const struct node *c = n->first;

	while (c && n->type == NODE_MAP && c->type == NODE_NULL)
		c = c->next;
	return c == NULL;
}

/* `inside`: the first line continues one that is there ("- " of a list). */
static void
yaml_node(const struct node *n, unsigned indent, bool inside, struct strbuf *out)
{
	for (const struct node *c = n->first; c; c = c->next) {
		bool list = n->type == NODE_LIST, block = c->type >= NODE_LIST && !empty(c);

		if (!list && c->type == NODE_NULL)
			continue;
		strbuf_pad(out, ' ', inside ? 0 : indent);
		inside = false;
		if (list) {
			strbuf_addc(out, '-');
		} else {
			yaml_text(c->key, indent, out);
			strbuf_addc(out, ':');
		}
		if (!block) {
			strbuf_addc(out, ' ');
			if (c->type >= NODE_LIST)
				strbuf_addz(out, c->type == NODE_LIST ? "[]" : "{}");
			else
				yaml_scalar(c, indent + 2, out);
			strbuf_addc(out, '\n');
		} else if (list) {
			strbuf_addc(out, ' ');
			yaml_node(c, indent + 2, true, out);
		} else {
			strbuf_addc(out, '\n');
			/* kubectl puts items of a list under the key, not behind it */
			yaml_node(c, indent + (c->type == NODE_LIST ? 0 : 2), false, out);
		}
	}
}

void
node_print_yaml(const struct node *n, unsigned indent, struct strbuf *out)
{
	if (n->type < NODE_LIST || empty(n)) {
		strbuf_pad(out, ' ', indent);
		if (n->type >= NODE_LIST)
			strbuf_addz(out, n->type == NODE_LIST ? "[]" : "{}");
		else
			yaml_scalar(n, indent, out);
		strbuf_addc(out, '\n');
		return;
	}
	yaml_node(n, indent, false, out);
}
