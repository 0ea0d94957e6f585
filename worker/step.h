/*
 * step.h - the table of steps that an exchange goes through, and what a step may answer.
 */
#ifndef WORKER_STEP_H
#define WORKER_STEP_H

/* In this order; `pick` to `send` once an attempt. */
#define STEP_TABLE(S) \
	S(admit, "caps, canonical form, client's copies of our fields") \
	S(listen, "pin the generation, find the socket; listener filters") \
	S(route, "listener, route, rule: once") \
	S(protect, "policies, from faults to rate limits") \
	S(shape, "filters of the rule, mirrors") \
	S(pick, "backend by weight, endpoint by turn") \
	S(connect, "pooled connection or a new one") \
	S(send, "request head and body, until the answer begins") \
	S(reply, "answer's head, filters backwards") \
	S(finish, "the rest of both bodies, log, counters")

enum step_id {
#define S(name, doc) STEP_##name,
	STEP_TABLE(S)
#undef S
	STEP_COUNT
};
enum step_result {
	STEP_NEXT, /* on to the next row */
	STEP_JUMP, /* x->step was set */
	STEP_WAIT, /* an event calls exchange_run() */
	STEP_DONE
};
struct exchange;
struct step {
	const char *name, *doc;
	enum step_result (*run)(struct exchange *);
};
extern const struct step step_table[STEP_COUNT];

#endif
