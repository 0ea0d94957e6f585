/*
 * findings.c - conditions as findings. Most of what is wrong with an object's meaning is found by
 * resolving it and told in its status; whoever checks files before a roll-out has to see that too.
 * Invalid is an error; what is refused for the sake of others (conflicts, missing parents) or
 * served in part is a warning. What only a running instance can know (addresses, sockets) is left
 * out.
 */
#include "cli/findings.h"

#include "base/parse.h"
#include "cli/view.h"
#include "conf/read/codes.h"

struct found {
	struct diags *diags;
	struct view *view;
	const struct cat_object *object;
	struct bytes told[8]; /* of this object */
	unsigned n;
};

static const struct {
	const char *type;
	bool when; /* said by this status */
} telling[] = {{"Accepted", false}, {"ResolvedRefs", false}, {"Warning", true},
    {"Conflicted", true}, {"PartiallyInvalid", true}, {"headgate.dev/NotServed", true}};

static bool
is_known(const struct found *f, struct bytes message)
{
	for (unsigned i = 0; i < f->n; i++)
		if (bytes_eq(f->told[i], message))
			return true;
	for (const struct diag *d = f->diags->first; d; d = d->next)
		if (d->message.n && d->message.n <= message.n &&
		    memmem(message.p, message.n, d->message.p, d->message.n))
			return true;
	return false;
}

/* "…:N": takes the number off. */
static bool
take_number(struct bytes *b, uint64_t most, uint64_t *out)
{
	ptrdiff_t colon = bytes_rchr(*b, ':');
	size_t at = (size_t)colon + 1;

	if (colon <= 0 || !parse_u64(bytes_of(b->p + at, b->n - at), most, out))
		return false;
	b->n = (size_t)colon;
	return true;
}

/* "… (FILE:LINE:COL)" at the end becomes the place; else the object's own. */
static struct bytes
place(const struct found *f, struct bytes *message, struct mark *at)
{
	struct bytes file = blob_text(&f->view->cat.blob, f->object->source), inner;
	ptrdiff_t open = bytes_rchr(*message, '(');
	uint64_t line, col;

	*at = (struct mark){0};
	if (open > 1 && bytes_ends(*message, BYTES(")")) &&
	    bytes_chr(*message, '(', 0) == open) {
		inner = bytes_of(message->p + open + 1, message->n - (size_t)open - 2);
		if (take_number(&inner, UINT16_MAX - 1, &col) &&
		    take_number(&inner, UINT32_MAX, &line)) {
			*at = (struct mark){(uint32_t)line, (uint16_t)col, (uint16_t)(col + 1)};
			message->n = (size_t)open - 1;
			return inner;
		}
	}
	if (take_number(&file, UINT32_MAX, &line))
		*at = (struct mark){(uint32_t)line, 1, 2};
	return file;
}

static void
tell(struct found *f, const struct node *c)
{
	const struct blob *b = &f->view->cat.blob;
	struct arena *a = f->diags->arena;
	struct bytes message = arena_bytes(a, node_text(node_get(c, "message")));
	bool invalid = bytes_eq(node_text(node_get(c, "reason")), BYTES("Invalid"));
	struct bytes file;
	struct diag *d;
	struct mark at;

	if (is_known(f, message))
		return;
	if (f->n < HG_ARRAY_LEN(f->told))
		f->told[f->n++] = message;
	file = place(f, &message, &at);
	d = diag_file(f->diags, invalid ? CODE_NOT_VALID : CODE_IN_PART, arena_bytes(a, file), at,
	    BYTES_NONE, "%.*s", BYTES_ARG(message));
	d->object = diag_object(a, blob_text(b, f->object->kind), blob_text(b, f->object->ns),
	    blob_text(b, f->object->name));
}

static void
conditions(struct found *f, const struct node *list)
{
	for (const struct node *c = list ? list->first : NULL; c; c = c->next) {
		struct bytes type = node_text(node_get(c, "type"));
		bool is_true = bytes_eq(node_text(node_get(c, "status")), BYTES("True"));

		for (unsigned i = 0; i < HG_ARRAY_LEN(telling); i++)
			if (bytes_eq(type, bytes_str(telling[i].type)) &&
			    is_true == telling[i].when)
				tell(f, c);
	}
}

static void
one(struct found *f, const struct cat_object *o)
{
	static const char *const lists[] = {"listeners", "parents", "ancestors"};
	struct node *status = view_json(f->view, blob_text(&f->view->cat.blob, o->status));

	f->object = o;
	f->n = 0;
	if (!status)
		return;
	conditions(f, node_get(status, "conditions"));
	for (unsigned i = 0; i < HG_ARRAY_LEN(lists); i++) {
		struct node *list = node_get(status, lists[i]);

		for (struct node *n = list ? list->first : NULL; n; n = n->next)
			conditions(f, node_get(n, "conditions"));
	}
}

void
findings_add(struct offline *off)
{
	struct view v = {0};
	struct found f = {.diags = &off->out.diags, .view = &v};
	struct bytes why;

	arena_init(&v.arena, 65536, 0);
	if (view_take_catalogue(&v, off->out.catalogue))
		for (uint32_t i = 0; i < v.cat.n_objects; i++)
			if (!(v.cat.objects[i].flags & (CAT_GONE | CAT_OWN | CAT_BUILTIN)) &&
			    view_health(&v, &v.cat.objects[i], &why) != VIEW_OK)
				one(&f, &v.cat.objects[i]);
	view_close(&v);
}
