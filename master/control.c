/*
 * control.c - the control socket. A request is one packet of at most 1 KB, a flat object of
 * strings, which base/json scans without allocating: this is the one place where the master looks
 * at bytes that somebody else wrote. What costs anything is done by the client: `view` hands over
 * read-only descriptors, the client formats.
 *
 * At most 64 peers, five seconds each; one that waits for a reload is held by the reload's own
 * deadlines. Answers go out at once or the peer is dropped. The workers' uid may say nothing, or a
 * worker that was taken over could stop the instance.
 */
#include "master/control.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/version.h"
#include "master/state.h"
#include "shm/ctl.h"

struct peer {
	struct list link;
	struct master *master;
	struct watch watch;
	struct timer timer;
	uint32_t uid;
	uint64_t waits;      /* id of a reload, 0 = none */
};

/* ---- requests */

static const struct {
	const char *name;
	enum control_right right;
} verbs[CONTROL_VERB_COUNT] = {
	[CONTROL_BAD] = {"", RIGHT_ADMIN},
#define V(name, right) [CONTROL_##name] = {#name, right},
	CONTROL_VERBS(V)
#undef V
};

struct control_request
control_parse(char *text, size_t n)
{
	struct control_request r = {.verb = CONTROL_BAD, .error = "no verb"};
	struct json_pair pairs[8];
	unsigned said = 0;
	int count;

	if (n > CTL_REQUEST_MAX) {
		r.error = "longer than 1 KB";
		return r;
	}
	count = json_flat(text, n, pairs, HG_ARRAY_LEN(pairs));
	if (count < 0) {
		r.error = "not a flat JSON object of strings";
		return r;
	}
	for (int i = 0; i < count; i++) {
		bool on = bytes_eq(pairs[i].value, BYTES("1"));

		if (bytes_eq(pairs[i].key, BYTES("wait")))
			r.wait = on;
		else if (bytes_eq(pairs[i].key, BYTES("now")))
			r.now = on;
		if (!bytes_eq(pairs[i].key, BYTES("verb")))
			continue;
		if (said++)
			return (struct control_request){.error = "two verbs"};
		r.error = "no such verb";
		for (unsigned v = CONTROL_BAD + 1; v < CONTROL_VERB_COUNT; v++)
			if (bytes_eq(pairs[i].value, bytes_str(verbs[v].name)))
				r.verb = (enum control_verb)v;
	}
	return r;
}

bool
control_allowed(enum control_verb verb, uint32_t peer_uid, uint32_t own_uid, uint32_t refused)
{
	if (peer_uid == refused && refused != UINT32_MAX)
		return false;
	return verbs[verb].right == RIGHT_ANY || peer_uid == 0 || peer_uid == own_uid;
}

/* ---- peers */

static void
drop(struct peer *p)
{
	loop_unwatch(p->master->loop, &p->watch);
	timer_stop(&p->timer);
	close(p->watch.fd);
	list_del(&p->link);
	p->master->control.npeers--;
	mem_free(p);
}

static bool
answer_fds(struct peer *p, struct bytes text, const int *fds, unsigned nfds)
{
	union {
		char buf[CMSG_SPACE(CTL_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {(void *)(uintptr_t)text.p, HG_MIN(text.n, (size_t)CTL_ANSWER_MAX)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nfds) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	return sendmsg(p->watch.fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)iov.iov_len;
}

static bool
answer(struct peer *p, struct strbuf *text)
{
	bool ok = answer_fds(p, strbuf_bytes(text), NULL, 0);

	strbuf_release(text);
	return ok;
}

static bool
refuse(struct peer *p, const char *why, int code)
{
	struct strbuf text = STRBUF_INIT;
	struct json j;

	json_init(&j, &text, false);
	json_object(&j);
	json_key(&j, "ok");
	json_bool(&j, false);
	json_key(&j, "error");
	json_strz(&j, why);
	json_key(&j, "code");
	json_int(&j, code);
	json_end(&j, '}');
	return answer(p, &text);
}

/* ---- verbs */

struct handle { /* one descriptor of a view */
	char name[16];
	int fd;
};

static unsigned
view_list(const struct master *m, struct handle *v)
{
	const struct region *r = m->regions.shared;
	const struct {
		const char *name;
		int fd;
	} fixed[] = {{"image", m->now.image}, {"catalogue", m->now.catalogue},
	    {"control", r[PROTO_FD_CONTROL].ro}, {"board", r[PROTO_FD_BOARD].ro},
	    {"names", r[PROTO_FD_NAMES].ro}};
	unsigned n = 0;

	for (unsigned i = 0; i < HG_ARRAY_LEN(fixed); i++) {
		if (fixed[i].fd < 0)
			continue;
		(void)snprintf(v[n].name, sizeof(v[n].name), "%s", fixed[i].name);
		v[n++].fd = fixed[i].fd;
	}
	for (unsigned i = 0; i < m->nslots; i++) {
		(void)snprintf(v[n].name, sizeof(v[n].name), "slot%u", i);
		v[n++].fd = m->regions.slots[i].ro;
	}
	return n;
}

static bool
view_packet(struct peer *p, const struct handle *v, unsigned n, bool more)
{
	struct master *m = p->master;
	struct strbuf text = STRBUF_INIT;
	int fds[CTL_FDS];
	bool ok;

	strbuf_printf(&text, "{\"ok\":true,\"generation\":%llu,\"slots\":%u,\"more\":%s,\"fds\":\"",
	    (unsigned long long)m->reload.published, m->nslots, more ? "true" : "false");
	for (unsigned i = 0; i < n; i++) {
		strbuf_printf(&text, "%s%s", i ? " " : "", v[i].name);
		fds[i] = v[i].fd;
	}
	strbuf_addz(&text, "\"}");
	ok = answer_fds(p, strbuf_bytes(&text), fds, n);
	strbuf_release(&text);
	return ok;
}

static bool
view(struct peer *p)
{
	struct handle v[8 + SLOT_MAX];
	unsigned n, at = 0;

	if (p->master->reload.published == 0)
		return refuse(p, "there is no generation yet", 1);
	for (n = view_list(p->master, v); at < n; at += CTL_FDS)
		if (!view_packet(p, v + at, HG_MIN(n - at, (unsigned)CTL_FDS), n - at > CTL_FDS))
			return false;
	return true;
}

static bool
ok_id(struct peer *p, uint64_t id)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_printf(&text, "{\"ok\":true,\"id\":%llu}", (unsigned long long)id);
	return answer(p, &text);
}

/* False: the peer is to be dropped. */
static bool
reload(struct peer *p, bool wait)
{
	struct master *m = p->master;
	uint64_t id;

	if (m->stopping != STOP_NO)
		return refuse(p, "headgate is stopping", 1);
	/* It may be over before this returns (no memory for a compiler): then `last` is its record.
	 */
	id = m->reload.state == RELOAD_IDLE ? m->reload.next_id : 0;
	if (wait && id)
		p->waits = id;
	id = reload_request(&m->reload);
	if (!wait)
		return ok_id(p, id);
	if (m->reload.last.id != id)
		p->waits = id;
	timer_stop(&p->timer);
	return true;
}

static bool
serve(struct peer *p, const struct control_request *r)
{
	struct master *m = p->master;
	struct strbuf text = STRBUF_INIT;

	switch (r->verb) {
	case CONTROL_version:
		strbuf_printf(&text, "{\"ok\":true,\"version\":\"%s\",\"build\":\"%s\",\"pid\":%d}",
		    version_text(), version_build(), (int)getpid());
		return answer(p, &text);
	case CONTROL_status:
		record_status(m, &text);
		return answer(p, &text);
	case CONTROL_view:
		return view(p);
	case CONTROL_reload:
		return reload(p, r->wait);
	case CONTROL_stop:
		if (r->now)
			m->grace_ms = 0;
		stop_begin(m, false);
		return ok_id(p, 0);
	case CONTROL_reopen:
		services_reopen(m);
		return ok_id(p, 0);
	case CONTROL_BAD:
	case CONTROL_VERB_COUNT:
		break;
	}
	return refuse(p, r->error, 64);
}

/* 1: a request was served, 0: there is none, -1: drop. */
static int
read_one(struct peer *p)
{
	struct master *m = p->master;
	char buf[CTL_REQUEST_MAX + 1];
	ssize_t n = recv(p->watch.fd, buf, sizeof(buf), MSG_DONTWAIT);
	struct control_request r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0 || p->waits)
		return -1;
	r = control_parse(buf, (size_t)n);
	timer_in(m->loop, &p->timer, CONTROL_MS);
	if (r.verb != CONTROL_BAD &&
	    !control_allowed(
		r.verb, p->uid, (uint32_t)geteuid(), m->service ? m->user.uid : UINT32_MAX))
		return refuse(p, "not permitted", 77) ? 1 : -1;
	return serve(p, &r) ? 1 : -1;
}

static void
peer_ready(struct watch *w, uint32_t events)
{
	struct peer *p = HG_CONTAINER(w, struct peer, watch);
	int r = 0;

	if (events & EPOLLIN)
		while ((r = read_one(p)) > 0)
			;
	if (r < 0 || (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)))
		drop(p);
}

static void
peer_late(struct timer *t)
{
	drop(HG_CONTAINER(t, struct peer, timer));
}

static void
take_peer(struct master *m, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct peer *p;

	if (m->control.npeers >= CONTROL_PEERS ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
		close(fd);
		return;
	}
	p = mem_zalloc(sizeof(*p));
	p->master = m;
	p->uid = cred.uid;
	p->watch.fd = fd;
	p->watch.ready = peer_ready;
	timer_init(&p->timer, peer_late);
	if (loop_watch(m->loop, &p->watch, EPOLLIN | EPOLLRDHUP) != 0) {
		close(fd);
		mem_free(p);
		return;
	}
	list_append(&m->control.peers, &p->link);
	m->control.npeers++;
	timer_in(m->loop, &p->timer, CONTROL_MS);
}

static void
accept_ready(struct watch *w, uint32_t events)
{
	struct master *m = HG_CONTAINER(w, struct master, control.watch);
	int fd;

	(void)events;
	while ((fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		take_peer(m, fd);
}

/* ---- life */

int
control_open(struct master *m)
{
	struct control *c = &m->control;

	list_init(&c->peers);
	/* Everybody may connect in service mode: who may do what is decided by uid. */
	c->fd = dirs_listen(m->dirs.runtime, CTL_SOCKET, m->service ? 0666 : 0600);
	c->watch = (struct watch){.fd = c->fd, .ready = accept_ready};
	if (c->fd >= 0 && loop_watch(m->loop, &c->watch, EPOLLIN) == 0)
		return 0;
	log_error("cannot make the control socket: %s", strerror(errno));
	return -1;
}

void
control_close(struct master *m)
{
	LIST_FOREACH_SAFE (it, tmp, &m->control.peers)
		drop(LIST_ENTRY(it, struct peer, link));
	if (m->control.fd >= 0) {
		loop_unwatch(m->loop, &m->control.watch);
		close(m->control.fd);
	}
	m->control.fd = -1;
}

void
control_reloaded(struct master *m, const struct reload_record *r)
{
	LIST_FOREACH_SAFE (it, tmp, &m->control.peers) {
		struct peer *p = LIST_ENTRY(it, struct peer, link);
		struct strbuf text = STRBUF_INIT;

		if (p->waits == 0 || p->waits > r->id)
			continue;
		p->waits = 0;
		record_text(r, &text);
		(void)answer(p, &text);
		/* It has its answer; it closes, or is closed soon. */
		timer_in(m->loop, &p->timer, CONTROL_MS);
	}
}
