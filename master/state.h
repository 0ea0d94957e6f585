/*
 * state.h - the one struct of the master process, and what its files call of each other. Nobody
 * else includes this.
 */
#ifndef MASTER_STATE_H
#define MASTER_STATE_H

#include "base/imsg.h"
#include "base/strbuf.h"
#include "master/brake.h"
#include "master/child.h"
#include "master/control.h"
#include "master/dirs.h"
#include "master/heartbeat.h"
#include "master/sockets.h"
#include "master/master.h"
#include "master/notify.h"
#include "master/priv.h"
#include "master/regions.h"
#include "master/reload.h"

struct slot { /* a worker's place; outlives its processes */
	struct master *master;
	struct child *child;        /* NULL: none at the moment */
	struct brake brake;
	struct timer restart;       /* waiting for the brake */
	struct timer abort;         /* condemned: from SIGABRT to SIGKILL */
	bool serves;                /* its process has published's generation active */
	bool drained;
	unsigned lent_to;           /* slot that has its sockets meanwhile; SLOT_MAX = none */
};

struct memfds { /* of one generation; -1 = none */
	int image, catalogue, secrets;
};

struct attempt { /* a compile under way */
	struct child *reader, *compiler;
	int note_fd;
	struct proto_note *note;    /* mapped; the compiler writes */
	uint32_t nskip;             /* files that killed a compiler */
	bool answered;              /* RESULT or FAILED has come */
};

struct logs { /* the logger and what it writes to */
	struct child *child;
	int access;                 /* -1 = off */
	struct brake brake;
	struct timer restart;
};

enum stop_state { STOP_NO, STOP_WAIT, STOP_DRAIN, STOP_LOGS, STOP_DONE };

struct master {
	const struct master_opts *opts;
	struct loop *loop;
	struct imsg in;             /* the message being handled */
	int bin;                    /* this binary */
	bool service;
	struct priv_user user;
	struct dirs dirs;
	int sigfd;
	struct watch sigwatch;
	struct list children;
	struct regions regions;
	struct slot slots[SLOT_MAX];
	unsigned nslots;            /* 0 until the first result */
	struct heartbeat heartbeat;
	struct timer tick, tickets; /* heartbeat; session ticket keys */
	struct sockets sockets;
	struct timer bind_retry, remove;
	struct reload reload;
	struct timer deadline;      /* of the reload's state */
	struct attempt attempt;
	struct memfds now, next;
	struct proto_result result; /* of the last good compile */
	int stored;                 /* catalogue of an earlier run, or -1 */
	struct logs logs;
	struct child *helper, *writer;
	struct brake helper_brake;
	struct timer helper_restart;
	bool store_again;
	struct control control;
	struct notify notify;
	struct timer watchdog;
	enum stop_state stopping;
	struct timer stop;
	uint32_t grace_ms;
	uint64_t started;           /* clock_real */
	int status;                 /* exit status */
	bool ready;                 /* READY=1 was sent */
};

/* attempt.c: reader and compiler of one reload */
int attempt_start(struct master *, uint64_t generation);
void attempt_stop(struct master *);
void attempt_message(struct child *, struct imsg *);
void attempt_ended(struct child *, int status);

/* workers.c */
int workers_start(struct master *);                  /* all slots, at boot */
void workers_message(struct child *, struct imsg *);
void workers_ended(struct child *, int status);
void workers_offer(struct master *, unsigned slot, uint64_t generation, const struct memfds *);
void workers_send_sockets(struct master *, struct child *, unsigned slot);
void workers_tick(struct master *);                  /* heartbeat */
void workers_slot_init(struct master *, unsigned slot);
bool workers_live(const struct master *, unsigned slot);

/* services.c: logger, helper, writer */
int services_start(struct master *);
void services_message(struct child *, struct imsg *);
void services_ended(struct child *, int status);
void services_reopen(struct master *);
void services_adopt(struct master *);                /* a new generation: helper, writer */
int services_open_log(struct master *);
void services_init(struct master *);

/* apply.c: what the transaction does */
extern const struct reload_ops apply_ops;
void apply_removed(struct master *);                 /* one socket less to wait for */
void apply_init(struct master *);
void memfds_close(struct memfds *);

/* stop.c: the orderly end */
void stop_begin(struct master *, bool forever);
void stop_child_ended(struct master *);

/* record.c: what is said about reloads and the instance */
void record_text(const struct reload_record *, struct strbuf *out);
void record_status(const struct master *, struct strbuf *out);
void record_write(struct master *, const struct reload_record *);

#endif
