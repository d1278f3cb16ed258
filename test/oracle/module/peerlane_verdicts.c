// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks the running kernel, for every ordered pair of PCI functions, what its own p2pdma code answers, and prints that
 * in /proc/peerlane_verdicts. Before that it can write random ACS control words. See README.md beside this file.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hash.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

static ulong acs_seed;
module_param(acs_seed, ulong, 0444);
static uint acs_percent = 40;
module_param(acs_percent, uint, 0444);
static char *acs_words;
module_param(acs_words, charp, 0444);

typedef enum pci_p2pdma_map_type (*map_type_fn)(struct p2pdma_provider *provider, struct device *dev);

struct function {
	struct pci_dev *pdev;
	struct p2pdma_provider *provider; /* NULL: no memory BAR, so the kernel has no map type to give */
};

static struct function *functions;
static unsigned int function_count;
static map_type_fn map_type_of;

/* ---- ACS capabilities for functions that have none ---------------------------------------------------------- */

#define ACS_ALL_BITS 0x7f
#define ACS_DWORDS 2 /* header; capability and control words */

struct added_acs {
	struct list_head list;
	struct pci_bus *bus; /* buses that are found later below this one inherit its accessors, and nothing else of it */
	unsigned int devfn;
	int link_at;     /* the dword whose next pointer now names the capability; 0: the list was empty */
	u32 link;
	int at;
	u32 dwords[ACS_DWORDS];
};

struct wrapped_bus {
	struct pci_ops ops; /* what bus->ops points to, by which this structure is found again */
	struct pci_ops *original;
	struct list_head added;
};

/* Reads the dword at `at` as the wrapped bus shows it; false: nothing of ours is there. */
static bool shown_dword(struct pci_bus *bus, unsigned int devfn, int at, u32 *dword, struct added_acs **owner)
{
	struct wrapped_bus *wrapped = container_of(bus->ops, struct wrapped_bus, ops);
	struct added_acs *added;

	list_for_each_entry(added, &wrapped->added, list) {
		if (added->bus != bus || added->devfn != devfn)
			continue;
		*owner = added;
		if (added->link_at && at == added->link_at) {
			*dword = added->link;
			return true;
		}
		if (at >= added->at && at < added->at + ACS_DWORDS * 4) {
			*dword = added->dwords[(at - added->at) / 4];
			return true;
		}
	}
	return false;
}

static int wrapped_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	struct wrapped_bus *wrapped = container_of(bus->ops, struct wrapped_bus, ops);
	struct added_acs *owner;
	u32 dword;

	if (!shown_dword(bus, devfn, where & ~3, &dword, &owner))
		return wrapped->original->read(bus, devfn, where, size, value);
	dword >>= 8 * (where & 3);
	*value = size == 4 ? dword : dword & ((1U << (8 * size)) - 1);
	return PCIBIOS_SUCCESSFUL;
}

static int wrapped_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	struct wrapped_bus *wrapped = container_of(bus->ops, struct wrapped_bus, ops);
	struct added_acs *owner;
	u32 dword;

	if (!shown_dword(bus, devfn, where & ~3, &dword, &owner))
		return wrapped->original->write(bus, devfn, where, size, value);
	/* Only the control word can be written; a write of any other width or place is dropped, as for read-only bits. */
	if (where == owner->at + PCI_ACS_CTRL && size == 2)
		owner->dwords[1] = ACS_ALL_BITS | (value & ACS_ALL_BITS) << 16;
	return PCIBIOS_SUCCESSFUL;
}

static struct wrapped_bus *wrap_bus(struct pci_bus *bus)
{
	struct wrapped_bus *wrapped;

	if (bus->ops->read == wrapped_read)
		return container_of(bus->ops, struct wrapped_bus, ops);
	wrapped = kzalloc(sizeof(*wrapped), GFP_KERNEL);
	if (!wrapped)
		return NULL;
	INIT_LIST_HEAD(&wrapped->added);
	wrapped->original = bus->ops;
	wrapped->ops = *bus->ops;
	wrapped->ops.read = wrapped_read;
	wrapped->ops.write = wrapped_write;
	pci_bus_set_ops(bus, &wrapped->ops);
	return wrapped;
}

/* Adds an ACS capability with this control word; leaves functions without room for one alone. */
static void add_acs(struct pci_dev *pdev, u16 control, u32 random)
{
	struct wrapped_bus *wrapped;
	struct added_acs *added;
	int last = 0, next = PCI_CFG_SPACE_SIZE, steps = 0;
	u32 dword = 0;
	int at;

	while (next >= PCI_CFG_SPACE_SIZE && steps++ < 64) {
		if (pci_read_config_dword(pdev, next, &dword) || dword == 0xffffffff)
			return;
		if (dword == 0)
			break;
		last = next;
		next = PCI_EXT_CAP_NEXT(dword);
	}
	/* Far behind everything QEMU's devices place, at an offset that differs from function to function. */
	at = last ? 0xe00 + (random & 0x3f) * 8 : PCI_CFG_SPACE_SIZE;

	added = kzalloc(sizeof(*added), GFP_KERNEL);
	wrapped = added ? wrap_bus(pdev->bus) : NULL;
	if (!wrapped) {
		kfree(added);
		return;
	}
	added->bus = pdev->bus;
	added->devfn = pdev->devfn;
	added->at = at;
	added->dwords[0] = PCI_EXT_CAP_ID_ACS | 1 << 16;
	added->dwords[1] = ACS_ALL_BITS | (u32)control << 16;
	if (last) {
		pci_read_config_dword(pdev, last, &dword);
		added->link_at = last;
		added->link = (dword & 0x000fffff) | (u32)at << 20;
	}
	list_add_tail(&added->list, &wrapped->added);
	pdev->acs_cap = at;
}

/* Writes the word; gives the capability to a function that has none. */
static void set_acs(struct pci_dev *pdev, u16 control, u32 random)
{
	if (pdev->acs_cap)
		pci_write_config_word(pdev, pdev->acs_cap + PCI_ACS_CTRL, control);
	else if (!pdev->is_virtfn)
		add_acs(pdev, control, random);
}

static bool can_have_acs(struct pci_dev *pdev)
{
	return pci_is_pcie(pdev) && pdev->cfg_size == PCI_CFG_SPACE_EXP_SIZE;
}

static void randomize_acs(struct pci_dev *pdev)
{
	u64 place = (u64)pci_domain_nr(pdev->bus) << 16 | pci_dev_id(pdev);
	u64 random = hash_64(hash_64(acs_seed, 64) ^ hash_64(place + 1, 64), 64);
	/* Half of the words have no bit that redirects: both verdicts should be common on long paths. */
	u16 control = (random >> 32) & ACS_ALL_BITS & ((random >> 40) & 1 ? ACS_ALL_BITS : ~0x2c);

	if (can_have_acs(pdev) && (random >> 48) % 100 < acs_percent)
		set_acs(pdev, control, (u32)random);
}

/* `0000:02:00.0=1d,0000:02:01.0=0`, all hexadecimal. What makes no sense is left out and said in the log. */
static void apply_acs_words(char *list)
{
	unsigned int domain, bus, slot, fn, control;
	struct pci_dev *pdev;
	char *word;

	while ((word = strsep(&list, ",")) != NULL) {
		pdev = NULL;
		if (sscanf(word, "%x:%x:%x.%x=%x", &domain, &bus, &slot, &fn, &control) == 5)
			pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, fn));
		if (pdev && can_have_acs(pdev))
			set_acs(pdev, control, 0);
		else
			pr_err("acs_words: nothing done for %s\n", word);
		pci_dev_put(pdev);
	}
}

/* ---- the answers ---------------------------------------------------------------------------------------------- */

/*
 * pci_p2pdma_map_type() is not exported; a probe that is never hit tells where it is. The address may be behind the
 * function's ENDBR instruction, which matters only to a CPU that enforces indirect branch tracking; the lab's have none.
 */
static map_type_fn find_map_type(void)
{
	struct kprobe probe = { .symbol_name = "pci_p2pdma_map_type" };
	map_type_fn found;

	if (register_kprobe(&probe))
		return NULL;
	found = (map_type_fn)probe.addr;
	unregister_kprobe(&probe);
	return found;
}

static struct p2pdma_provider *provider_record(struct pci_dev *pdev)
{
	int bar;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		if (!(pci_resource_flags(pdev, bar) & IORESOURCE_MEM) || !pci_resource_len(pdev, bar))
			continue;
		if (pcim_p2pdma_init(pdev))
			return NULL;
		return pcim_p2pdma_provider(pdev, bar);
	}
	return NULL;
}

static const char *map_type_name(enum pci_p2pdma_map_type type)
{
	switch (type) {
	case PCI_P2PDMA_MAP_NOT_SUPPORTED:
		return "not-supported";
	case PCI_P2PDMA_MAP_BUS_ADDR:
		return "bus-addr";
	case PCI_P2PDMA_MAP_THRU_HOST_BRIDGE:
		return "thru-host-bridge";
	default:
		return "unknown";
	}
}

static void *pairs_start(struct seq_file *file, loff_t *pos)
{
	return *pos < (loff_t)function_count * function_count ? pos : NULL;
}

static void *pairs_next(struct seq_file *file, void *token, loff_t *pos)
{
	++*pos;
	return pairs_start(file, pos);
}

static void pairs_stop(struct seq_file *file, void *token)
{
}

static int pairs_show(struct seq_file *file, void *token)
{
	unsigned int pair = *(loff_t *)token;
	struct function *provider = &functions[pair / function_count];
	struct pci_dev *client = functions[pair % function_count].pdev;
	struct device *clients[] = { &client->dev };
	int distance = pci_p2pdma_distance_many(provider->pdev, clients, 1, false);
	const char *type = "-";

	/* Asked second: the distance has just put this pair's type into the provider's cache. */
	if (provider->provider)
		type = map_type_name(map_type_of(provider->provider, &client->dev));
	seq_printf(file, "%s\t%s\t%d\t%s\n", pci_name(provider->pdev), pci_name(client), distance, type);
	return 0;
}

static const struct seq_operations pairs = {
	.start = pairs_start,
	.next = pairs_next,
	.stop = pairs_stop,
	.show = pairs_show,
};

static void forget_functions(void)
{
	while (function_count > 0)
		pci_dev_put(functions[--function_count].pdev);
	kfree(functions);
	functions = NULL;
}

static int collect_functions(void)
{
	struct pci_dev *pdev = NULL;
	unsigned int count = 0;

	forget_functions();
	for_each_pci_dev(pdev)
		count++;
	functions = kcalloc(count, sizeof(*functions), GFP_KERNEL);
	if (!functions)
		return -ENOMEM;
	for_each_pci_dev(pdev) {
		if (function_count == count) {
			pci_dev_put(pdev);
			break;
		}
		functions[function_count].pdev = pci_dev_get(pdev);
		functions[function_count].provider = provider_record(pdev);
		function_count++;
	}
	return 0;
}

/* Each reader asks about the functions that are there then. One reader at a time, which is the laboratory's script. */
static int verdicts_open(struct inode *inode, struct file *file)
{
	int error = collect_functions();

	return error ? error : seq_open(file, &pairs);
}

static const struct proc_ops verdicts_ops = {
	.proc_open = verdicts_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = seq_release,
};

static int __init peerlane_verdicts_init(void)
{
	struct pci_dev *pdev = NULL;
	char *words;

	map_type_of = find_map_type();
	if (!map_type_of)
		return -ENOENT;
	words = kstrdup(acs_words ?: "", GFP_KERNEL);
	if (!words)
		return -ENOMEM;
	if (!proc_create("peerlane_verdicts", 0400, NULL, &verdicts_ops)) {
		kfree(words);
		return -ENOMEM;
	}
	/* From here on nothing may fail, and there is no exit function: wrapped accessors must outlive every reader. */
	if (acs_seed)
		for_each_pci_dev(pdev)
			randomize_acs(pdev);
	if (acs_words)
		apply_acs_words(words);
	kfree(words);
	return 0;
}
module_init(peerlane_verdicts_init);

MODULE_DESCRIPTION("Prints the kernel's peer-to-peer DMA verdict for every pair of PCI functions");
MODULE_LICENSE("GPL");
