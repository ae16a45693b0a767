// SPDX-License-Identifier: (MIT OR GPL-2.0)
/*
 * The one BPF object of scope-bpf: a header per family of probes, all over the
 * same configuration, scratch space and rings. See README.md.
 */
#include "attempt.bpf.h"
#include "break.bpf.h"
#include "call.bpf.h"
#include "code.bpf.h"
#include "dist.bpf.h"
#include "msg.bpf.h"
#include "native.bpf.h"
#include "ets.bpf.h"
#include "port.bpf.h"
#include "timer.bpf.h"
#include "proc.bpf.h"
#include "sched.bpf.h"
#include "usdt.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";
