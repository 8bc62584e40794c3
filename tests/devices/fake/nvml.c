/* A libnvidia-ml.so.1 that can lie. It reads the file named by FAKE_GPUS at every call, so that a test changes the
   GPUs of a running program. One fact a line, the first word says which:

     gpu INDEX UUID TOTAL USED UTILISATION TEMPERATURE NAME...   memory in bytes
     proc INDEX PID BYTES                                        -1 bytes = not available
     ecc INDEX COUNT            uncorrected memory errors
     mig INDEX                  the GPU is split
     fail FUNCTION INDEX CODE   that function answers CODE; FUNCTION * = each, INDEX -1 = each and the system's
     hang FUNCTION              that function never returns
     crash FUNCTION             that function takes its process down
     noise FUNCTION             that function prints to stdout

   Programs that use a GPU add `proc` lines to FAKE_GPUS.use; each counts, and its memory is in use, while it lives.

   Build: gcc -shared -fPIC -Wl,-soname,libnvidia-ml.so.1 -o libnvidia-ml.so.1 nvml.c */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9 };
enum { MOST_GPUS = 16, MOST_PROCESSES = 4096, MOST_RULES = 32 };

typedef unsigned long long bytes;
typedef struct { int there, util, temp, mig; bytes total, used, ecc; char uuid[96], name[96]; } gpu_t;
typedef struct { int gpu; unsigned pid; long long memory; } process_t;
typedef struct { char verb[8], function[64]; int gpu, code; } rule_t;

static gpu_t gpus[MOST_GPUS];
static process_t processes[MOST_PROCESSES];
static rule_t rules[MOST_RULES];
static int count, process_count, rule_count, opened;
static int handles[MOST_GPUS]; /* a handle is the address of its slot */

static void read_line(const char *line) {
    gpu_t g = {.there = 1};
    process_t p;
    rule_t r = {.gpu = -1};
    int index;
    bytes number;
    if (sscanf(line, "gpu %d %95s %llu %llu %d %d %95[^\n]", &index, g.uuid, &g.total, &g.used, &g.util, &g.temp, g.name) == 7) {
        gpus[index] = g;
        if (index >= count) count = index + 1;
    } else if (sscanf(line, "proc %d %u %lld", &p.gpu, &p.pid, &p.memory) == 3) {
        if (process_count < MOST_PROCESSES) processes[process_count++] = p;
    } else if (sscanf(line, "ecc %d %llu", &index, &number) == 2) {
        gpus[index].ecc = number;
    } else if (sscanf(line, "mig %d", &index) == 1) {
        gpus[index].mig = 1;
    } else if (sscanf(line, "%7s %63s %d %d", r.verb, r.function, &r.gpu, &r.code) >= 2) {
        if (rule_count < MOST_RULES) rules[rule_count++] = r;
    }
}

/* What living programs use. */
static void read_use(const char *state) {
    char line[512], path[4096];
    snprintf(path, sizeof path, "%s.use", state);
    FILE *file = fopen(path, "r");
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        int before = process_count;
        read_line(line);
        if (process_count == before) continue;
        process_t *p = &processes[before];
        if (kill((pid_t)p->pid, 0)) process_count = before;
        else if (p->memory > 0) gpus[p->gpu].used += (bytes)p->memory;
    }
    fclose(file);
}

static void read_state(void) {
    char line[512];
    const char *path = getenv("FAKE_GPUS");
    FILE *file = path ? fopen(path, "r") : NULL;
    memset(gpus, 0, sizeof gpus);
    count = process_count = rule_count = 0;
    if (!file) return;
    while (fgets(line, sizeof line, file)) read_line(line);
    fclose(file);
    read_use(path);
}

/* Every function starts here: what the file says about this function on this GPU (-1 = the system). */
static int enter(const char *function, int gpu) {
    read_state();
    for (int i = 0; i < rule_count; i++) {
        rule_t *r = &rules[i];
        if (strcmp(r->function, "*") && strcmp(r->function, function)) continue;
        if (!strcmp(r->verb, "hang")) for (;;) pause();
        if (!strcmp(r->verb, "crash")) {
            setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* no core file in somebody's folder */
            abort();
        }
        if (!strcmp(r->verb, "noise")) { printf("noise from %s\n", function); fflush(stdout); }
        if (!strcmp(r->verb, "fail") && (r->gpu == gpu || r->gpu == -1)) {
            if (r->code == DRIVER_NOT_LOADED) opened = 0; /* what was open went with the driver */
            return r->code;
        }
    }
    return SUCCESS;
}

static int enter_open(const char *function, int gpu) { return opened ? enter(function, gpu) : UNINITIALIZED; }
static int of(void *handle) { return (int)((int *)handle - handles); }
#define SYSTEM int code = enter_open(__func__, -1); if (code) return code;
#define GPU(handle) int code = enter_open(__func__, of(handle)); if (code) return code; gpu_t *g = &gpus[of(handle)];

static int text(char *out, unsigned size, const char *value) {
    if (strlen(value) + 1 > size) return INSUFFICIENT_SIZE;
    strcpy(out, value);
    return SUCCESS;
}

int nvmlInit_v2(void) {
    int code = enter("nvmlInit", -1);
    if (!code) opened++;
    return code;
}
int nvmlInitWithFlags(unsigned flags) { (void)flags; return nvmlInit_v2(); }
int nvmlShutdown(void) { if (!opened) return UNINITIALIZED; opened--; return SUCCESS; }
const char *nvmlErrorString(int code) { (void)code; return "an error that only this library knows"; }
int nvmlDeviceGetCount_v2(unsigned *out) { SYSTEM *out = (unsigned)count; return SUCCESS; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **out) {
    int code = enter_open(__func__, (int)index);
    if (code) return code;
    if ((int)index >= count || !gpus[index].there) return INVALID_ARGUMENT;
    *out = &handles[index];
    return SUCCESS;
}

int nvmlDeviceGetUUID(void *handle, char *out, unsigned size) { GPU(handle) return text(out, size, g->uuid); }
int nvmlDeviceGetName(void *handle, char *out, unsigned size) { GPU(handle) return text(out, size, g->name); }

typedef struct { bytes total, free, used; } memory_t;
typedef struct { unsigned version; bytes total, reserved, free, used; } memory_v2_t;
enum { RESERVED = 600 << 20 }; /* the driver's own share, which only the second version keeps apart */

int nvmlDeviceGetMemoryInfo(void *handle, memory_t *out) {
    GPU(handle)
    out->total = g->total; out->used = g->used + RESERVED; out->free = g->total - out->used;
    return SUCCESS;
}
int nvmlDeviceGetMemoryInfo_v2(void *handle, memory_v2_t *out) {
    GPU(handle)
    out->total = g->total; out->used = g->used; out->reserved = RESERVED; out->free = g->total - g->used - RESERVED;
    return SUCCESS;
}

typedef struct { unsigned gpu, memory; } utilisation_t;
int nvmlDeviceGetUtilizationRates(void *handle, utilisation_t *out) { GPU(handle) out->gpu = (unsigned)g->util; out->memory = 0; return SUCCESS; }
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *out) { (void)sensor; GPU(handle) *out = (unsigned)g->temp; return SUCCESS; }
int nvmlDeviceGetTotalEccErrors(void *handle, int type, int counter, bytes *out) {
    (void)type; (void)counter; GPU(handle)
    *out = g->ecc;
    return SUCCESS;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *later) {
    GPU(handle)
    if (!g->mig) return NOT_SUPPORTED;
    *now = *later = 1;
    return SUCCESS;
}

typedef struct { unsigned pid; bytes memory; unsigned gpu_instance, compute_instance; } listed_t;

/* The real protocol: `size` comes in as the room in `out` and goes out as the number of processes. */
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *size, listed_t *out) {
    GPU(handle)
    (void)g;
    unsigned room = out ? *size : 0, found = 0;
    for (int i = 0; i < process_count; i++) {
        if (processes[i].gpu != of(handle)) continue;
        if (found < room) out[found] = (listed_t){processes[i].pid, (bytes)processes[i].memory, ~0u, ~0u};
        found++;
    }
    *size = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}
