/* unit.h - what every test of logger includes, in the order that CMocka wants. */
#ifndef TESTS_UNIT_LOGGER_UNIT_H
#define TESTS_UNIT_LOGGER_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/check.h"

#endif
