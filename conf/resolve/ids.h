/*
 * ids.h - stable small numbers for rules, listeners, clusters, endpoints, DNS names and sockets,
 * and numbers of node ports,
 * keyed by what they stand for and remembered in the catalogue, so that counters, health and limits
 * survive every edit. An id whose object vanished is free again IDS_KEEP generations later (no
 * worker maps that many images).
 */
#ifndef CONF_RESOLVE_IDS_H
#define CONF_RESOLVE_IDS_H

#include "shm/catalogue.h"

#define IDS_KEEP 16
#define IDS_KINDS (CAT_ID_NODEPORT + 1)

struct ids;

struct ids *ids_new(const struct catalogue *old, uint64_t generation);
void ids_free(struct ids *);
/* The id for this name; 0 when the kind's numbers are used up. `name` is borrowed until ids_free.
 */
uint32_t ids_get(struct ids *, enum cat_idkind, struct bytes name);
/* This number is given to nobody else by ids_get; who had it gets another. `owner` (may be absent)
 * keeps it in mind as its own. */
void ids_reserve(struct ids *, enum cat_idkind, uint32_t id, struct bytes owner);
uint32_t ids_lost(const struct ids *); /* calls that got 0, not for a node port */
/* Rows for the next catalogue: those in use, and those that vanished lately. */
void ids_record(const struct ids *, struct blob_writer *);

#endif
