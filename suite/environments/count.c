/* Counts the instructions that an emulated program executes: a plug-in of QEMU's user mode, see suite/environments/counter.py.
 *
 * Whenever the program calls lseek on a descriptor that nobody has (MARK), the counts so far are written as a line of JSON to the file
 * that $SQUEEZEMARK_COUNTS names. QEMU's interface is declared here, because packages of the emulator do not bring its header.
 * PLUGIN_API is the version of that interface: 1 for QEMU before version 9; from 3 on the bytes of an instruction are copied.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PLUGIN_API
#define PLUGIN_API 1
#endif
#define EXPORT __attribute__((visibility("default")))
#define MARK 0x3FED5EEDu
#define LONGEST 16

typedef uint64_t plugin_id;
struct tb;
struct insn;
struct info {
    const char *target_name; /* there is more behind it */
};

EXPORT int qemu_plugin_version = PLUGIN_API;

extern size_t qemu_plugin_tb_n_insns(const struct tb *);
extern struct insn *qemu_plugin_tb_get_insn(const struct tb *, size_t);
extern size_t qemu_plugin_insn_size(const struct insn *);
#if PLUGIN_API < 3
extern const void *qemu_plugin_insn_data(const struct insn *);
#else
extern size_t qemu_plugin_insn_data(const struct insn *, void *, size_t);
#endif
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct tb *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t,
                                                                     uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));

/* The classes of instructions that multiply and add vectors. */
enum { FMLA, DOT, MMLA, MLAL, MULL, VFMADD, VPMADDUBSW, VPMADDWD, CLASSES };
static const char *const NAMES[CLASSES] = {"fmla", "dot", "mmla", "mlal", "mull", "vfmadd", "vpmaddubsw", "vpmaddwd"};

/* Arm Architecture Reference Manual, Advanced SIMD: vectors, and vectors by one element. */
static const struct {
    int class;
    uint32_t mask, value;
} ARM[] = {
    {FMLA, 0xBFA0FC00, 0x0E20CC00}, {FMLA, 0xBF80F400, 0x0F801000}, /* FMLA, single and double */
    {FMLA, 0xBFE0FC00, 0x0E400C00}, {FMLA, 0xBFC0F400, 0x0F001000}, /* FMLA, half */
    {DOT, 0x9FE0FC00, 0x0E809400},  {DOT, 0x9FC0F400, 0x0F80E000},  /* SDOT, UDOT */
    {DOT, 0xBFE0FC00, 0x0E809C00},  {DOT, 0xBF40F400, 0x0F00F000},  /* USDOT, SUDOT */
    {MMLA, 0xDFE0FC00, 0x4E80A400}, {MMLA, 0xFFE0FC00, 0x4E80AC00}, /* SMMLA, UMMLA, USMMLA */
    {MLAL, 0x9F20FC00, 0x0E208000}, {MLAL, 0x9F00F400, 0x0F002000}, /* SMLAL, UMLAL */
    {MULL, 0x9F20FC00, 0x0E20C000}, {MULL, 0x9F00F400, 0x0F00A000}, /* SMULL, UMULL */
};

struct block {
    uint32_t all;
    bool simd;
    uint16_t of[CLASSES];
};

static bool arm;
static uint64_t total, of[CLASSES]; /* the program has one thread that works: nothing is locked */

static int class_of_arm(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    for (size_t i = 0; i < sizeof ARM / sizeof *ARM; i++)
        if ((word & ARM[i].mask) == ARM[i].value) return ARM[i].class;
    return CLASSES;
}

/* Intel's manual, volume 2, chapter 2.3: VEX prefixes of three bytes and of two, then the opcode. */
static int class_of_x86(const uint8_t *bytes) {
    bool three = bytes[0] == 0xC4;
    if (!three && bytes[0] != 0xC5) return CLASSES;
    int map = three ? bytes[1] & 0x1F : 1, prefix = bytes[three ? 2 : 1] & 3, opcode = bytes[three ? 3 : 2], row = opcode >> 4;
    if (prefix != 1) return CLASSES;
    if (map == 1) return opcode == 0xF5 ? VPMADDWD : CLASSES;
    if (map == 2 && opcode == 0x04) return VPMADDUBSW;
    return map == 2 && row >= 0x9 && row <= 0xB && (opcode & 0xF) >= 8 ? VFMADD : CLASSES;
}

static void executed(unsigned cpu, void *data) {
    const struct block *block = data;
    (void)cpu;
    total += block->all;
    if (block->simd)
        for (int i = 0; i < CLASSES; i++) of[i] += block->of[i];
}

static void translated(plugin_id id, struct tb *tb) {
    struct block *block = calloc(1, sizeof *block); /* as long as the block may run, which is until the program ends */
    (void)id;
    if (block == NULL) abort();
    block->all = (uint32_t)qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < block->all; i++) {
        const struct insn *insn = qemu_plugin_tb_get_insn(tb, i);
        size_t size = qemu_plugin_insn_size(insn);
        uint8_t bytes[LONGEST] = {0};
        if (size > LONGEST) size = LONGEST;
#if PLUGIN_API < 3
        memcpy(bytes, qemu_plugin_insn_data(insn), size);
#else
        qemu_plugin_insn_data(insn, bytes, size);
#endif
        int class = arm ? class_of_arm(bytes) : class_of_x86(bytes);
        if (class < CLASSES) {
            block->simd = true;
            block->of[class]++;
        }
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block);
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                   uint64_t a6, uint64_t a7, uint64_t a8) {
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != (arm ? 62 : 8) || (uint32_t)a1 != MARK) return;
    const char *name = getenv("SQUEEZEMARK_COUNTS");
    FILE *file = name ? fopen(name, "a") : NULL; /* opened each time: the program may close what it did not open */
    if (file == NULL) return;
    fprintf(file, "{\"all\": %llu", (unsigned long long)total);
    for (int i = 0; i < CLASSES; i++)
        if (of[i]) fprintf(file, ", \"%s\": %llu", NAMES[i], (unsigned long long)of[i]);
    fprintf(file, "}\n");
    fclose(file);
}

EXPORT int qemu_plugin_install(plugin_id id, const struct info *info, int argc, char **argv) {
    (void)argc, (void)argv;
    arm = strcmp(info->target_name, "aarch64") == 0;
    if (!arm && strcmp(info->target_name, "x86_64") != 0) return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
