/* verify: asks the daemon, or with --store looks at the records of a stopped one itself. */
#include "clients/curatectl/verify.h"
#include "clients/curatectl/command.h"

#include "store/store.h"
#include "store/verify.h"

#include <string.h>

/* Shows a finished map as if it were a reply. */
static int show_bytes(struct context *context, struct text bytes)
{
    msgpack_zone zone;
    msgpack_object object;
    size_t offset = 0;
    if (!bytes.data || !msgpack_zone_init(&zone, 4096))
        return report_local(context, "no memory for the findings");
    const bool good = msgpack_unpack(bytes.data, bytes.size, &offset, &zone, &object) == MSGPACK_UNPACK_SUCCESS;
    const int status = good ? command_show(context, &object.via.map) : report_local(context, "no memory for the findings");
    msgpack_zone_destroy(&zone);
    return status;
}

static int verify_store(struct context *context, struct store *store)
{
    const char *name = context->project ? context->project : "";
    struct protocol_error problem = {0};
    struct verification verification;
    struct writer writer;
    int status;
    verification_init(&verification);
    writer_init(&writer);
    if (store_verify(store, (struct text){name, strlen(name)}, &verification, &problem)) {
        writer_map_begin(&writer, NULL);
        verification_write(&verification, &writer);
        writer_map_end(&writer);
        status = show_bytes(context, writer_finish(&writer));
        if (status == EXIT_FINE && verification.problem_count > 0)
            status = EXIT_DIFFERS;
    } else {
        report_local(context, "%s", problem.message);
        status = EXIT_CODES_FROM + (int)problem.code;
    }
    writer_deinit(&writer);
    verification_deinit(&verification);
    return status;
}

int verify_folder(struct context *context, const char *folder)
{
    char problem[512] = "";
    struct store store;
    /* Without a size of their own the maps have the size that the daemon gave them. */
    const struct store_options options = {.folder = folder, .read_only = true};
    if (!store_exists(folder))
        return report_local(context, "there is no store in %s", folder);
    if (!store_open(&store, &options, problem, sizeof problem))
        return report_local(context, "%s", problem);
    const int status = verify_store(context, &store);
    store_close(&store);
    return status;
}
