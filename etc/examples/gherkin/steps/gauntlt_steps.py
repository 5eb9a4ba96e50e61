# SPDX-License-Identifier: MIT
"""The steps of gauntlt's generic attack, and those of aruba that driftd.attack needs, for behave."""
import re
import shutil
import subprocess

from behave import given, then, use_step_matcher, when

SECONDS = 600


@given('the "{name}" command line binary is installed')
def binary_is_installed(_context, name):
    assert shutil.which(name), f"{name} is not installed, or not in the path"


@given("the following profile")
def profile(context):
    context.profile = {row["name"]: row["value"] for row in context.table}


@when('I launch a "generic" attack with')
def launch(context):
    command = context.text
    for name, value in context.profile.items():
        command = command.replace(f"<{name}>", value)
    done = subprocess.run(
        command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=SECONDS, check=False)
    context.status, context.output = done.returncode, done.stdout.decode("utf-8", "backslashreplace")


def expect(context, true):
    assert true, f"exit status {context.status}, output:\n{context.output}"


@then("the exit status should be {status:d}")
def exit_status(context, status):
    expect(context, context.status == status)


@then("the output should contain")
def output_contains(context):
    expect(context, context.text in context.output)


@then('the output should not contain "{text}"')
def output_does_not_contain(context, text):
    expect(context, text not in context.output)


use_step_matcher("re")


@then("it should (?P<how>pass|fail) with regexp")
def ends_with_regexp(context, how):
    expect(context, (context.status == 0) == (how == "pass"))
    expect(context, re.search(context.text, context.output, re.MULTILINE))
