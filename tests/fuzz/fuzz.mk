# Fuzz targets: tests/fuzz/<name>.c with a corpus in tests/fuzz/corpus/<name>/.
#
#   make fuzz                     builds all with clang and libFuzzer into $(B)-fuzz/tests/fuzz/
#   make fuzz-run [T=60] [F=uri]  runs them (or one) for T seconds each, from the corpus
#   make fuzz-replay              gcc's sanitizers, no libFuzzer: every file of every corpus once

FUZZ_CC ?= clang
FUZZ_FOLDERS ?= master conf http net shm base
FUZZ_SRC := $(filter-out tests/fuzz/replay_main.c,$(sort $(wildcard tests/fuzz/*.c)))
FUZZ_NAMES := $(FUZZ_SRC:tests/fuzz/%.c=%)
FUZZ_BINS := $(FUZZ_NAMES:%=$(B)-fuzz/tests/fuzz/%)
FUZZ_LIBS := $(FUZZ_FOLDERS:%=$(B)-fuzz/lib%.a)
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_FLAGS := -std=gnu11 -fvisibility=hidden -O1 -g $(FUZZ_SAN) -fno-omit-frame-pointer -DHG_SAN=1 -Wall -Wextra \
              -Wno-unknown-warning-option -DHG_VERSION='"$(VERSION)"' -DHG_BUILD='"fuzz"'
T ?= 60

.PHONY: fuzz fuzz-run fuzz-replay fuzz-replay-build
fuzz: $(FUZZ_BINS)

$(B)-fuzz/%.o: %.c
	@mkdir -p $(@D)
	@echo "  FUZZ  $<"
	@$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

define fuzz_archive
$(B)-fuzz/lib$1.a: $(patsubst %.c,$(B)-fuzz/%.o,$(SRC_$1))
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach f,$(FUZZ_FOLDERS),$(eval $(call fuzz_archive,$f)))

$(FUZZ_BINS): $(B)-fuzz/tests/fuzz/%: $(B)-fuzz/tests/fuzz/%.o $(FUZZ_LIBS)
	@echo "  LINK  $@"
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< \
		-Wl,--start-group $(FUZZ_LIBS) -Wl,--end-group $(LIBS)

# New inputs go to the build folder; what is worth keeping is copied into the corpus by hand.
fuzz-run: fuzz
	@for name in $(or $(F),$(FUZZ_NAMES)); do \
		mkdir -p $(B)-fuzz/found/$$name; \
		echo "  RUN   $$name for $(T) s"; \
		$(B)-fuzz/tests/fuzz/$$name -max_total_time=$(T) -timeout=5 -rss_limit_mb=1024 \
			-max_len=4096 -artifact_prefix=$(B)-fuzz/$$name- -verbosity=0 \
			-print_final_stats=1 $(B)-fuzz/found/$$name \
			$$(ls -d tests/fuzz/corpus/$$name 2>/dev/null) || exit 1; \
	done

ifdef SAN
REPLAY_BINS := $(FUZZ_NAMES:%=$(B)/tests/fuzz/%)
$(REPLAY_BINS): $(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay_main.o \
		$(FUZZ_FOLDERS:%=$(B)/lib%.a)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)
fuzz-replay-build: $(REPLAY_BINS)
	@tests/fuzz/replay $(REPLAY_BINS)
endif

fuzz-replay:
	@$(MAKE) SAN=1 B=$(B)-asan fuzz-replay-build

-include $(shell find $(B)-fuzz -name '*.d' 2>/dev/null)
