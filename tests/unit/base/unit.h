/* unit.h - what every test of base includes, in the order that CMocka wants. */
#ifndef TESTS_UNIT_BASE_UNIT_H
#define TESTS_UNIT_BASE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/check.h"

#define assert_bytes(b, lit) \
	do { \
		struct bytes got_ = (b); \
		if (!bytes_eq(got_, bytes_str(lit))) \
			fail_msg("\"%.*s\" is not \"%s\"", (int)got_.n, got_.p ? got_.p : "", \
			    (lit)); \
	} while (0)

#endif
