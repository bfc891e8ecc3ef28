/* The team's promise that the caller is asked whether to stop, also while it has nothing to do itself. */
#include "selector/kernel/team.h"
#include "test/unit/tests.h"

#include <stdatomic.h>
#include <unistd.h>

struct meeting {
    struct kernel_team *team;
    atomic_uint begun;
    atomic_uint polled; /* by the other thread, until it saw the answer */
};

/* The caller leaves its tile once the other thread is in its own, which goes on until it is told to stop. */
static void meet(void *context, size_t tile, unsigned worker)
{
    struct meeting *meeting = context;
    (void)tile;
    atomic_fetch_add(&meeting->begun, 1);
    while (atomic_load(&meeting->begun) < 2)
        ;
    while (worker != 0 && !kernel_team_poll(meeting->team, worker))
        atomic_fetch_add(&meeting->polled, 1);
}

struct caller {
    unsigned asked;
    unsigned stop_at;
};

static bool stop(void *context)
{
    struct caller *caller = context;
    return ++caller->asked >= caller->stop_at;
}

static void test_the_caller_is_asked_while_it_waits(void **state)
{
    (void)state;
    struct caller caller = {.stop_at = 5};
    struct meeting meeting = {.team = kernel_team_new(2, stop, &caller)};
    assert_non_null(meeting.team);
    if (kernel_team_size(meeting.team) < 2) {
        kernel_team_free(&meeting.team);
        skip(); /* a thread could not be had */
    }
    alarm(60); /* a caller that is not asked waits for ever */
    assert_false(kernel_team_run(meeting.team, 2, meet, &meeting));
    alarm(0);
    assert_int_equal(caller.asked, caller.stop_at);
    assert_true(atomic_load(&meeting.polled) > 0);
    kernel_team_free(&meeting.team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_caller_is_asked_while_it_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
