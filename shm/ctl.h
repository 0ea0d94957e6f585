/*
 * ctl.h - the control socket: `control.sock` in the runtime folder, SOCK_SEQPACKET. A request is
 * one packet, a flat JSON object of strings of at most 1 KB, scanned by the master itself
 * (json_flat). The answer is one packet of JSON
 * (<= 32 KB), for `view` with descriptors. Both ends are in this tree: master/control.c and
 * cli/ctl.c.
 *
 *   {"verb":"reload"}              -> {"ok":true,"id":7} at once: queued
 *   {"verb":"reload","wait":"1"}   -> the reload's record, when it is over (see below)
 *   {"verb":"status"}              ->
 * {"pid","version","started","generation","state","reload":{record},"workers":[…]}
 *   {"verb":"view"}                -> {"generation":N,"slots":N,"fds":"image catalogue control
 * board names slot0 …"} with that many read-only descriptors; more packets of the same shape follow
 *                                     while "more" is true (at most 60 descriptors a packet)
 *   {"verb":"stop"}  {"verb":"reopen"}  {"verb":"version"}
 *   refused or wrong               -> {"ok":false,"error":"text","code":77|64|1}
 *
 * A reload's record (also runtime/reload.json):
 * {"ok":true,"id":7,"result":"applied|partial|rejected","generation":N,
 * "errors":n,"warnings":n,"stale":n,"gateways":n,"listeners":n,"routes":n,"objects":n,"ms":n,
 * "phase":"…",
 * "message":"first error or why it was rejected","started":"RFC 3339","finished":"RFC 3339"}
 * applied -> exit 0, partial -> exit 2 (errors in some objects), rejected -> exit 1.
 */
#ifndef SHM_CTL_H
#define SHM_CTL_H

#define CTL_SOCKET "control.sock"
#define CTL_REQUEST_MAX 1024
#define CTL_ANSWER_MAX 32768
#define CTL_FDS 60

#endif
