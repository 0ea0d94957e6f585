/*
 * parse.h - strict readers of single values. The whole text must be the value: no blanks, no sign
 * unless said, no overflow. Each returns false and leaves *out alone on anything else. Pure; any
 * process.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

bool parse_u64(struct bytes, uint64_t max, uint64_t *out);      /* decimal digits only */
bool parse_i64(struct bytes, int64_t min, int64_t max, int64_t *out);
bool parse_hex(struct bytes, uint64_t max, uint64_t *out);
/* Gateway API Duration (GEP-2257): 1-4 of digits{1,5}(h|m|s|ms). Milliseconds. */
bool parse_duration(struct bytes, uint64_t *ms);
void parse_print_duration(uint64_t ms, char out[40]);           /* canonical: "2h30m", zero "0s" */
/* Kubernetes resource.Quantity in milli-units, rounded away from zero: "64Ki", "1.5M", "100m". */
bool parse_quantity(struct bytes, int64_t *milli);
/* out: room for n/4*3. Strict padding; line ends inside are skipped, as an API server does. */
bool parse_base64(struct bytes, unsigned char *out, size_t *n);
bool parse_dns_label(struct bytes);      /* RFC 1123 label, <= 63 */
bool parse_dns_subdomain(struct bytes);  /* RFC 1123, <= 253 */
bool parse_hostname(struct bytes, bool wildcard); /* Gateway API Hostname / PreciseHostname */

#endif
