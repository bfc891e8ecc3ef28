#include "protocol/operation.h"

#include <string.h>

static const struct {
    const char *name;
    enum operation_kind kind;
    enum operation_scope scope;
} operations[OPERATION_COUNT] = {
#define X(code, name, kind, scope) [OPERATION_##code] = {name, OPERATION_##kind, SCOPE_##scope},
    OPERATIONS(X)
#undef X
};

const char *operation_name(enum operation operation)
{
    return operations[operation].name;
}

enum operation_kind operation_kind(enum operation operation)
{
    return operations[operation].kind;
}

enum operation_scope operation_scope(enum operation operation)
{
    return operations[operation].scope;
}

bool operation_parse(const char *name, size_t size, enum operation *operation)
{
    for (int i = 0; i < OPERATION_COUNT; i++) {
        if (strlen(operations[i].name) == size && memcmp(operations[i].name, name, size) == 0) {
            *operation = (enum operation)i;
            return true;
        }
    }
    return false;
}
