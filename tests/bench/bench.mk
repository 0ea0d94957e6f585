# Benchmarks. Each is a program or script of this folder and a rule bench-NAME; `make bench` runs those that
# compare with other proxies (run), the ones below need only the build.

.PHONY: bench-lookup
bench-lookup: $(B)/tests/bench/lookup
	@$<

$(B)/tests/bench/lookup: $(B)/tests/bench/lookup.o $(B)/libconf.a $(B)/libshm.a $(B)/libbase.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

# Programs of the network layers: a bare relay, a backend, a generator, net/ and http/ without the worker.
BENCH_PROGS := floor load miniproxy origin origin2 pump
define bench_prog
$(B)/tests/bench/$1: $(B)/tests/bench/$1.o $(foreach f,http net base,$(B)/lib$f.a)
	@echo "  LINK  $$@"
	@$(CC) $(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(LIBS)
endef
$(foreach p,$(BENCH_PROGS),$(eval $(call bench_prog,$p)))

.PHONY: bench-progs
bench-progs: $(foreach p,$(BENCH_PROGS),$(B)/tests/bench/$p)

# Everything, side by side with what is installed (tests/deps --all brings nginx and HAProxy).
bench: all bench-progs bench-lookup
	@tests/bench/run --bin $(B)/headgate --programs $(B)/tests/bench --out $(B)/bench.json $(BENCH_ARGS)

.PHONY: bench-l4
bench-l4: all bench-progs
	@tests/bench/l4 --bin $(B)/headgate --programs $(B)/tests/bench --out $(B)/bench-l4.json $(BENCH_ARGS)
