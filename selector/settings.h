/*
 * settings.h - a project's settings between the wire and the store.
 */
#pragma once

#include "protocol/request.h"
#include "store/change.h"

/* The defaults of docs/protocol.md. */
struct settings settings_default(void);

/*
 * Reads the settings that the request has, over those in `settings`; classes are for settings_read_classes. Tags and the
 * classes of minimum shares are looked up in `project`, new tags are interned. False with the reader's error filled.
 */
bool settings_read(struct reader *fields, struct change *change, struct project *project, struct settings *settings);

/*
 * Reads the field `classes`: what the project has must be its beginning, the rest is interned. False with the error filled
 * (conflict where the beginning differs or, unless `extend`, where there is more).
 */
bool settings_read_classes(struct reader *fields, struct change *change, struct project *project, bool extend);

/* The field of the first setting that differs, classes left out; NULL where none does. Static. */
const char *settings_difference(const struct settings *a, const struct settings *b);

/* Adds every setting to the open map. */
void settings_write(struct writer *writer, struct txn *txn, const struct project *project);
