/* unit.h - what every test of http includes, and the limits that are the defaults of the house. */
#ifndef TESTS_UNIT_HTTP_UNIT_H
#define TESTS_UNIT_HTTP_UNIT_H

#include "tests/unit/net/unit.h"

#include "http/h1.h"

#define TEST_LIMITS \
	{.request_line = 8192, .field = 16384, .header = 32768, .fields = 100, .trailer = 8192, \
	    .trailer_fields = 32, .leading_crlf = 2, .chunk_line = 256, .chunk_overhead = 16384, \
	    .informational = 3, .requests_per_connection = 1000, .header_ms = 10000, \
	    .idle_ms = 60000, \
	    .write_ms = 30000, .body_grace_ms = 10000, .body_rate = 200}

#define assert_bytes(b, lit) \
	do { \
		struct bytes got_ = (b); \
		if (!bytes_eq(got_, bytes_str(lit))) \
			fail_msg("\"%.*s\" is not \"%s\"", (int)got_.n, \
			    got_.p ? got_.p : "", (lit)); \
	} while (0)

#endif
