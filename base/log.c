/*
 * log.c - one line an event, formatted on the stack and written with one write(2), so that lines of
 * several processes on one descriptor do not mix. Control characters from arguments become '?':
 * nobody forges a line or steers a terminal. The limit keys on the format's address, not on the
 * text: a flood that varies by client address is still one flood. Debug lines are not limited. A
 * direct-mapped table of 128 call sites was enough; a collision only restarts a count.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_MAX_BYTES 2048
#define SITES 128
#define PER_WINDOW 10
#define WINDOW (60 * SEC_NS)

struct site {
	const char *fmt;
	uint64_t since;
	uint32_t count, dropped;
};

static struct {
	const char *process;
	enum log_level min;
	log_sink *sink;
	void *arg;
	struct site sites[SITES];
} logger = {.process = "headgate", .min = LOG_INFO};

void
log_init(const char *process)
{
	logger.process = process;
}

void
log_level(enum log_level min)
{
	logger.min = min;
}

void
log_to(log_sink *sink, void *arg)
{
	logger.sink = sink;
	logger.arg = arg;
}

/* Whether this call site may speak now; *dropped = how many lines it swallowed before. */
static bool
allowed(const char *fmt, uint32_t *dropped)
{
	struct site *s = &logger.sites[((uintptr_t)fmt * 0x9e3779b97f4a7c15ull) >> 57];
	uint64_t t = clock_mono();

	*dropped = 0;
	if (s->fmt != fmt || t - s->since >= WINDOW) {
		if (s->fmt == fmt)
			*dropped = s->dropped;
		*s = (struct site){.fmt = fmt, .since = t};
	}
	if (s->count >= PER_WINDOW) {
		s->dropped++;
		return false;
	}
	s->count++;
	return true;
}

static size_t
put_prefix(char *buf, size_t cap, enum log_level level)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	uint64_t t = clock_real();
	char date[21];
	int n;

	clock_rfc3339((int64_t)(t / SEC_NS), date);
	n = snprintf(buf, cap, "%.19s.%03uZ %s %s: ", date, (unsigned)(t % SEC_NS / MS_NS),
	    names[level <= LOG_ERROR ? level : LOG_ERROR], logger.process);
	return HG_MIN(n < 0 ? 0 : (size_t)n, cap - 1);
}

static void
clean(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			p[i] = '?';
}

void
log_at(enum log_level level, const char *fmt, ...)
{
	char buf[LINE_MAX_BYTES];
	const size_t cap = sizeof(buf) - 32; /* room for dropped= and the line end */
	uint32_t dropped = 0;
	size_t n;
	va_list ap;
	int more;

	if (level < logger.min || (level > LOG_DEBUG && !allowed(fmt, &dropped)))
		return;
	n = put_prefix(buf, cap, level);
	va_start(ap, fmt);
	more = vsnprintf(buf + n, cap - n, fmt, ap);
	va_end(ap);
	if (more > 0) {
		size_t got = HG_MIN((size_t)more, cap - n - 1);

		clean(buf + n, got);
		n += got;
	}
	if (dropped)
		n += (size_t)snprintf(buf + n, 31, " dropped=%u", dropped);
	buf[n++] = '\n';
	if (logger.sink)
		logger.sink(logger.arg, level, bytes_of(buf, n));
	else if (write(STDERR_FILENO, buf, n) < 0)
		return; /* a log that cannot be written is nobody's error */
}
