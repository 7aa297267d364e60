#include "COpenVINO.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OV_FIND(result, member, parameters)                                                                            \
  symbol = dlsym(library, "ov_" #member);                                                                              \
  if (symbol == NULL) return "ov_" #member;                                                                            \
  memcpy(&out->member, &symbol, sizeof symbol);

const char *ov_api_find(void *library, ov_api *out) {
  void *symbol;
  OV_FUNCTIONS(OV_FIND)
  return NULL;
}

void ov_give_back_memory(void) { malloc_trim(0); }

static int give_back(struct dl_phdr_info *info, size_t size, void *folder) {
  (void)size;
  size_t length = strlen(folder);
  if (strncmp(info->dlpi_name, folder, length) != 0 || info->dlpi_name[length] != '/') return 0;
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || part->p_flags & PF_W) continue;
    uintptr_t start = (info->dlpi_addr + part->p_vaddr) & ~(page - 1);
    uintptr_t end = info->dlpi_addr + part->p_vaddr + part->p_filesz;
    madvise((void *)start, (end - start + page - 1) & ~(page - 1), MADV_DONTNEED);
  }
  return 0;
}

void ov_give_back_code(const char *folder) { dl_iterate_phdr(give_back, (void *)folder); }
