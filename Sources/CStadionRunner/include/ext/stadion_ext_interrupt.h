// Extension "stadion.interrupt/1": ends a run that doesn't poll its ticket.
#ifndef STADION_EXT_INTERRUPT_H
#define STADION_EXT_INTERRUPT_H

#include "../stadion_runner.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STADION_EXT_INTERRUPT "stadion.interrupt/1"

typedef struct stadion_ext_interrupt {
  uint32_t struct_size;
  uint32_t reserved;
  // [any] Makes the run that holds this ticket id return soon, with STADION_CANCELLED. Harmless
  // when that run has ended or never began: ids are never used twice.
  void (*interrupt)(stadion_model *model, uint64_t ticket_id);
} stadion_ext_interrupt;

#ifdef __cplusplus
}
#endif
#endif
