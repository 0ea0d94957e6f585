/*
 * view.c - opens a view. Offline it is the daemon's own compile (compile_run) without sockets, so
 * that both can never tell different stories. Statuses are JSON text in the catalogue; they are
 * read back by the house's own reader.
 */
#include "cli/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/ctl.h"
#include "cli/liveroute.h"
#include "cli/offline.h"
#include "conf/kinds/load.h"
#include "conf/read/diag.h"

static bool
want(struct bytes *rest, struct bytes *word)
{
	*word = bytes_cut(rest, ' ');
	return word->n > 0;
}

static void
take_slot(struct view *v, struct bytes word, int fd)
{
	unsigned long n = strtoul(word.p + 4, NULL, 10);

	if (n < SLOT_MAX) {
		v->slots[n] = region_map(fd, sizeof(struct slot_segment), 0);
		v->nslots = HG_MAX(v->nslots, (uint32_t)n + 1);
	}
}

/* One descriptor by its name in the answer's "fds". */
static int
take_fd(struct view *v, struct bytes word, int fd)
{
	enum hg_err err = HG_OK;

	if (bytes_eq(word, BYTES("image")))
		err = image_open(fd, &v->image);
	else if (bytes_eq(word, BYTES("catalogue")))
		err = catalogue_open(fd, false, &v->cat);
	else if (bytes_eq(word, BYTES("control")))
		v->control = region_map(fd, sizeof(struct control_page), 0);
	else if (bytes_eq(word, BYTES("board")))
		v->board = region_map(fd, sizeof(struct board), 0);
	else if (bytes_eq(word, BYTES("names")))
		v->names = region_map(fd, sizeof(struct names), 0);
	else if (bytes_starts(word, BYTES("slot")))
		take_slot(v, word, fd);
	close(fd);
	if (err != HG_OK) {
		fprintf(
		    stderr, "headgate: the instance's %.*s is of another build\n", BYTES_ARG(word));
		return EX_UNREACHABLE;
	}
	return 0;
}

static int
take_packet(struct view *v, struct ctl_answer *a, bool *more)
{
	struct node *n = view_json(v, arena_bytes(&v->arena, bytes_of(a->text, a->n)));
	struct bytes rest = n ? node_text(node_get(n, "fds")) : BYTES_NONE, word;
	const struct node *g = n ? node_get(n, "generation") : NULL,
			  *m = n ? node_get(n, "more") : NULL;

	*more = m && m->type == NODE_BOOL && m->boolean;
	if (!n || !rest.p) {
		struct node *e = n ? node_get(n, "error") : NULL;

		fprintf(stderr, "headgate: %.*s\n",
		    BYTES_ARG(e ? node_text(e) : BYTES("the answer makes no sense")));
		return EX_NOT_PERMITTED;
	}
	v->generation = g ? (uint64_t)g->integer : 0;
	for (unsigned i = 0; i < a->nfds; i++) {
		int rc;

		if (!want(&rest, &word)) {
			close(a->fds[i]);
			continue;
		}
		rc = take_fd(v, word, a->fds[i]);
		if (rc)
			return rc;
	}
	return 0;
}

static int
open_online(const struct opts *o, struct view *v)
{
	int fd = ctl_connect(o->runtime_dir), rc;
	struct ctl_answer *a;
	bool more = true;

	if (fd < 0)
		return -fd;
	a = mem_alloc(sizeof(*a));
	rc = ctl_ask(fd, "{\"verb\":\"view\"}", o->timeout_ms, a);
	while (rc == 0) {
		rc = take_packet(v, a, &more);
		if (rc || !more)
			break;
		rc = ctl_next(fd, o->timeout_ms, a);
	}
	mem_free(a);
	close(fd);
	if (rc == 0 && !v->cat.blob.base) {
		fprintf(stderr, "headgate: the instance has no generation yet\n");
		rc = EX_UNHEALTHY;
	}
	v->online = true;
	return rc;
}

bool
view_take_image(struct view *v, struct blob_writer *w)
{
	int fd = w ? blob_seal(w, "headgate-image") : -1;
	bool ok = fd != -1 && image_open(fd, &v->image) == HG_OK;

	if (fd != -1)
		close(fd);
	return ok;
}

bool
view_take_catalogue(struct view *v, struct blob_writer *w)
{
	int fd = w ? blob_seal(w, "headgate-catalogue") : -1;
	bool ok = fd != -1 && catalogue_open(fd, false, &v->cat) == HG_OK;

	if (fd != -1)
		close(fd);
	return ok;
}

static int
open_offline(const struct opts *o, struct view *v)
{
	struct offline off;
	int rc = offline_compile(o, &v->arena, &off);

	if (rc)
		return rc;
	if (!view_take_image(v, off.out.image) || !view_take_catalogue(v, off.out.catalogue)) {
		fprintf(stderr, "headgate: cannot build a generation from these files\n");
		rc = EX_FAILED;
	}
	offline_release(&off);
	return rc;
}

int
view_open(const struct opts *o, struct view *v)
{
	*v = (struct view){0};
	arena_init(&v->arena, 65536, 0);
	return o->nfiles ? open_offline(o, v) : open_online(o, v);
}

static void
unmap(const void *region, size_t n)
{
	if (region)
		munmap((void *)(uintptr_t)region, n);
}

void
view_close(struct view *v)
{
	liveroute_release(v);
	if (v->cat.blob.base)
		catalogue_close(&v->cat);
	if (v->image.blob.base)
		image_close(&v->image);
	unmap(v->control, sizeof(*v->control));
	unmap(v->board, sizeof(*v->board));
	unmap(v->names, sizeof(*v->names));
	for (uint32_t i = 0; i < v->nslots; i++)
		unmap(v->slots[i], sizeof(*v->slots[i]));
	arena_release(&v->arena);
}

static int
keep(void *arg, struct node *n)
{
	*(struct node **)arg = n;
	return 0;
}

struct node *
view_json(struct view *v, struct bytes json)
{
	struct diags diags;
	struct node *n = NULL;

	if (!json.p)
		return NULL;
	diags_init(&diags, &v->arena);
	read_text(&v->arena, &diags, BYTES("catalogue.json"), json, PROTO_ROLE_FLAT, BYTES_NONE,
	    keep, &n);
	return n;
}

struct bytes
view_condition(const struct node *conditions, const char *type)
{
	for (const struct node *c = conditions ? conditions->first : NULL; c; c = c->next)
		if (bytes_eq(node_text(node_get(c, "type")), bytes_str(type)))
			return node_text(node_get(c, "status"));
	return BYTES("-");
}

void
view_age(int64_t since, char out[16])
{
	int64_t s = (int64_t)(clock_real() / SEC_NS) - since;

	if (since <= 0)
		snprintf(out, 16, "-");
	else if (s < 120)
		snprintf(out, 16, "%llds", (long long)HG_MAX(s, 0));
	else if (s < 7200)
		snprintf(out, 16, "%lldm", (long long)s / 60);
	else if (s < 172800)
		snprintf(out, 16, "%lldh", (long long)s / 3600);
	else
		snprintf(out, 16, "%lldd", (long long)s / 86400);
}

/*
 * Conditions that should be True: the first three say that something does not work, the others that
 * part of it does not. All others are warnings when they are True.
 */
static const struct {
	const char *type;
	enum view_health otherwise;
} wanted[] = {
	{"Accepted", VIEW_BAD},
	{"Programmed", VIEW_BAD},
	{"SupportedVersion", VIEW_BAD},
	{"ResolvedRefs", VIEW_WARN},
	{"AddressesAssigned", VIEW_WARN},
};

static enum view_health
judge_one(struct bytes type, bool is_true)
{
	for (unsigned i = 0; i < HG_ARRAY_LEN(wanted); i++)
		if (bytes_eq(type, bytes_str(wanted[i].type)))
			return is_true ? VIEW_OK : wanted[i].otherwise;
	return is_true ? VIEW_WARN : VIEW_OK;
}

static enum view_health
judge(const struct node *conditions, struct bytes *why)
{
	enum view_health worst = VIEW_OK;

	for (const struct node *c = conditions ? conditions->first : NULL; c; c = c->next) {
		struct bytes type = node_text(node_get(c, "type")),
			     status = node_text(node_get(c, "status"));
		enum view_health h = judge_one(type, bytes_eq(status, BYTES("True")));

		if (h > worst) {
			worst = h;
			*why = node_text(node_get(c, "message"));
		}
	}
	return worst;
}

static enum view_health
judge_status(struct view *v, const struct cat_object *ob, struct bytes *why)
{
	static const char *const lists[] = {"listeners", "parents", "ancestors"};
	struct node *status = view_json(v, blob_text(&v->cat.blob, ob->status));
	enum view_health worst = VIEW_OK, h;
	struct bytes text = BYTES_NONE;

	if (status)
		worst = judge(node_get(status, "conditions"), why);
	for (unsigned i = 0; status && i < HG_ARRAY_LEN(lists); i++) {
		struct node *list = node_get(status, lists[i]);

		for (struct node *n = list ? list->first : NULL; n; n = n->next) {
			h = judge(node_get(n, "conditions"), &text);
			if (h > worst) {
				worst = h;
				*why = text;
			}
		}
	}
	return worst;
}

enum view_health
view_health(struct view *v, const struct cat_object *ob, struct bytes *why)
{
	/* Most routes of an instance share one status, which the catalogue holds once. */
	struct view_seen *seen = &v->seen[(ob->status.off ^ ob->status.off >> 9) % VIEW_SEEN];
	enum view_health worst;

	if (!seen->known || seen->status.off != ob->status.off ||
	    seen->status.len != ob->status.len) {
		*seen = (struct view_seen){.known = true, .status = ob->status};
		seen->health = judge_status(v, ob, &seen->why);
	}
	worst = seen->health;
	*why = seen->why;
	if (ob->flags & CAT_STALE && worst < VIEW_WARN) {
		worst = VIEW_WARN;
		*why = blob_text(&v->cat.blob, ob->stale);
	}
	return worst;
}

void
view_print_diag(const struct view *v, const struct cat_diag *d)
{
	const struct blob *b = &v->cat.blob;
	struct bytes help = d->nhelp ? blob_text(b, d->help[0]) : BYTES_NONE;

	printf("%.*s", BYTES_ARG(blob_text(b, d->file)));
	if (d->line) /* what concerns a whole file has no place in it */
		printf(":%u:%u", d->line, d->col);
	printf(": %s[HG%04u]: %.*s", d->severity ? "error" : "warning", d->code,
	    BYTES_ARG(blob_text(b, d->message)));
	if (bytes_starts(help, BYTES("did you mean")))
		printf(" (%.*s)", BYTES_ARG(help));
	putchar('\n');
}
