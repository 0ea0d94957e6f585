/* unit.h - what every test of helper includes, in the order that CMocka wants. */
#ifndef TESTS_UNIT_HELPER_UNIT_H
#define TESTS_UNIT_HELPER_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/check.h"

#endif
