#include "protocol/array.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[ARRAY_DTYPE_COUNT] = {
#define X(code, name, size) [ARRAY_##code] = {name, size},
    ARRAY_DTYPES(X)
#undef X
};

const char *array_dtype_name(enum array_dtype dtype)
{
    return dtypes[dtype].name;
}

size_t array_dtype_size(enum array_dtype dtype)
{
    return dtypes[dtype].size;
}

bool array_dtype_parse(const char *name, size_t size, enum array_dtype *dtype)
{
    for (int i = 0; i < ARRAY_DTYPE_COUNT; i++) {
        if (strlen(dtypes[i].name) == size && memcmp(dtypes[i].name, name, size) == 0) {
            *dtype = (enum array_dtype)i;
            return true;
        }
    }
    return false;
}

int64_t array_integer(const struct array *array, size_t i)
{
    const uint8_t *element = array->data + i * dtypes[array->dtype].size;
    switch (array->dtype) {
    case ARRAY_U1:
        return *element;
    case ARRAY_U2: {
        uint16_t value;
        memcpy(&value, element, sizeof value);
        return value;
    }
    case ARRAY_U4: {
        uint32_t value;
        memcpy(&value, element, sizeof value);
        return value;
    }
    case ARRAY_I4: {
        int32_t value;
        memcpy(&value, element, sizeof value);
        return value;
    }
    case ARRAY_I8: {
        int64_t value;
        memcpy(&value, element, sizeof value);
        return value;
    }
    default:
        return 0;
    }
}
