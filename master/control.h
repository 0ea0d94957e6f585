/*
 * control.h - the control socket (contract of the packets: shm/ctl.h). Master only.
 */
#ifndef MASTER_CONTROL_H
#define MASTER_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"
#include "net/loop.h"

#define CONTROL_PEERS 64
#define CONTROL_MS 5000u /* from connect to the request, and for the answer to be taken */

/* V(name, who may): RIGHT_ANY all, RIGHT_ADMIN root and our own uid. */
#define CONTROL_VERBS(V) \
	V(version, RIGHT_ANY) V(status, RIGHT_ANY) V(view, RIGHT_ADMIN) V(reload, RIGHT_ADMIN) \
	V(stop, RIGHT_ADMIN) V(reopen, RIGHT_ADMIN)

enum control_right { RIGHT_ANY, RIGHT_ADMIN };
enum control_verb {
	CONTROL_BAD,
#define V(name, right) CONTROL_##name,
	CONTROL_VERBS(V)
#undef V
	CONTROL_VERB_COUNT
};

struct control_request {
	enum control_verb verb;
	bool wait;            /* reload */
	bool now;             /* stop: without grace */
	const char *error;    /* CONTROL_BAD: what is wrong with it */
};

struct control {
	int fd;
	struct watch watch;
	struct list peers;
	unsigned npeers;
};

/* One packet (changed in place). Unknown keys are ignored, unknown verbs are not. Pure. */
struct control_request control_parse(char *text, size_t n);
/* May this peer do that? `refused`: the workers' uid in service mode, which may do nothing;
 * UINT32_MAX = none. */
bool control_allowed(enum control_verb, uint32_t peer_uid, uint32_t own_uid, uint32_t refused);

struct master;
struct reload_record;
int control_open(struct master *);                 /* -1 with a log line */
void control_close(struct master *);
void control_reloaded(struct master *, const struct reload_record *); /* answers who waits for it */

#endif
