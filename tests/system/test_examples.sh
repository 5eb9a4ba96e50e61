# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The examples of etc/examples, each run for real, and each both ways: where all is well, and where it is not.

EXAMPLES=$PWD/etc/examples
SET=$SCRATCH/deploy.expect

# begin — a host with a file that a deploy changes; driftctl is in the path, as on an installed host
begin() {
    printf 'hello\n' >"$TREE/motd"
    printf 'keep\n' >"$TREE/other"
    chmod 0644 "$TREE"/*
    start_clean
    mkdir -p "$SCRATCH/bin" "$SCRATCH/work"
    printf '#!/bin/sh\nexec %s --config %s "$@"\n' "$BUILD/driftctl" "$CONFIG" >"$SCRATCH/bin/driftctl"
    chmod +x "$SCRATCH/bin/driftctl"
    PATH=$SCRATCH/bin:$PATH
    expect_motd 'good day'
    cd "$SCRATCH/work" || exit
}

# expect_motd TEXT — the expected change set of a deploy that writes it
expect_motd() {
    printf 'driftd-expect 1\nfile %s type=file mode=0644 uid=%s gid=%s size=%s content=%s\n' "$TREE/motd" "$(id -u)" "$(id -g)" \
        "$((${#1} + 1))" "$(printf '%s\n' "$1" | sha256sum | cut -d' ' -f1)" >"$SET"
}

# deploy COMMAND [ARGUMENT]...
deploy() {
    SIGN="--key $KEYS/alice" "$EXAMPLES/deploy/deploy.sh" "$SET" CHG-7 "$@"
}

# last_ticket — of the baseline in force
last_ticket() {
    driftctl baseline list --json | jq -r '[.baselines[] | select(.active)][0].ticket'
}

test_example_deploy_blesses_what_was_expected() {
    begin
    expect_exit 0 deploy sh -c "printf 'good day\n' >'$TREE/motd'"
    expect_output '1 expected · 0 unexpected · 0 expected but absent'
    expect_equal "$(last_ticket)" CHG-7
    for report in before deploy after; do
        { xmllint --noout "reports/$report.xml" && jq -e '.runs[0].results == []' "reports/$report.sarif" >/dev/null; } || fail "reports/$report"
    done
    grep -q "name=\"file:$TREE/motd\" time=\"0\"/>" reports/deploy.xml || fail "the deploy's report does not name what changed as expected"
    expect_exit 0 driftctl diff
}

test_example_deploy_stops_before_and_after() {
    begin
    # More than was expected: told, not blessed.
    expect_exit 1 deploy sh -c "printf 'good day\n' >'$TREE/motd'; printf 'x\n' >'$TREE/extra'"
    expect_error 'nothing is blessed'
    grep -q '<failure type="unexpected"' reports/deploy.xml || fail "JUnit does not tell of it"
    jq -e '.runs[0].results | map(.ruleId) == ["file-unexpected-high"]' reports/deploy.sarif >/dev/null || fail "SARIF does not tell of it"
    expect_equal "$(last_ticket)" CHG-1
    # Now it drifts before the next one: nothing is deployed.
    expect_exit 1 deploy sh -c "printf 'never\n' >'$TREE/motd'"
    expect_error 'nothing was deployed'
    expect_equal "$(cat "$TREE/motd")" 'good day'
    # A deploy that fails ends with its own code, and what it did all the same is told.
    rm "$TREE/extra"
    printf 'hello\n' >"$TREE/motd"
    expect_exit 7 deploy sh -c "printf 'half\n' >'$TREE/motd'; exit 7"
    expect_output "unexpected +changed +file:$TREE/motd"
    printf 'hello\n' >"$TREE/motd"
    # The trust file does not hold: nothing is deployed.
    printf '\n[approver mallory]\nkey = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9vLrNJfrXTQdOmyNzZyMTNhG0oUtsBdT6MMo6mDqjV\n' >>"$TRUST"
    kill -HUP "$DAEMON"
    untrusted() { diff_json --cached | jq -e '.verdict == "untrusted"'; }
    wait_until "$LIVE" untrusted
    expect_exit 3 deploy true
    expect_exit 4 deploy
}

# of_yaml FILE EXPRESSION — what jq says of a YAML file
of_yaml() {
    /usr/bin/python3 -c 'import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout, default=str)' "$1" | jq -r "$2"
}

# begin_checkout — what a runner has: the repository of the deploy, the ticket, the key
begin_checkout() {
    begin
    cp "$EXAMPLES/deploy/deploy.sh" .
    cp "$SET" deploy.expect
    printf '#!/bin/sh\nprintf "good day\\n" >"%s"\n' "$TREE/motd" >install.sh
    chmod +x install.sh
}

test_example_gitlab_job_runs() {
    begin_checkout
    export DEPLOY_KEY=$KEYS/alice CI_COMMIT_TAG=v1.2 REPORTS SIGN
    REPORTS=$(of_yaml "$EXAMPLES/deploy/gitlab-ci.yml" .deploy.variables.REPORTS)
    SIGN=$(of_yaml "$EXAMPLES/deploy/gitlab-ci.yml" .deploy.variables.SIGN)
    SIGN=${SIGN//\$DEPLOY_KEY/$DEPLOY_KEY} # as GitLab expands variables
    of_yaml "$EXAMPLES/deploy/gitlab-ci.yml" '.deploy.script[]' >script
    expect_exit 0 bash -eo pipefail script
    expect_equal "$(last_ticket)" v1.2
    compgen -G "$(of_yaml "$EXAMPLES/deploy/gitlab-ci.yml" .deploy.artifacts.reports.junit)" >/dev/null || fail "no report where the job says"
}

test_example_github_job_runs() {
    local file=$EXAMPLES/deploy/github-actions.yml
    begin_checkout
    printf 'w\n' >"$TREE/waived"
    bless_all
    driftctl waive "$TREE/waived" --until +1d --reason 'a test' --ticket CHG-2 -o "$SCRATCH/w.baseline" >/dev/null
    driftctl sign "$SCRATCH/w.baseline" --key "$KEYS/alice" --yes >/dev/null
    driftctl apply "$SCRATCH/w.baseline" >/dev/null
    printf 'other\n' >"$TREE/waived"
    export DEPLOY_KEY GITHUB_REF_NAME=v1.3 RUNNER_TEMP=$SCRATCH
    DEPLOY_KEY=$(cat "$KEYS/alice")
    of_yaml "$file" '.jobs.deploy.steps[] | select(.name == "Deploy, compare, bless").run' >script
    expect_exit 0 bash -e script
    expect_equal "$(last_ticket)" v1.3
    of_yaml "$file" '.jobs.deploy.steps[] | select(.name == "What drifts now").run' >script
    expect_exit 0 bash -e script
    [[ ! -e $SCRATCH/key ]] || fail "the key is left behind"
    jq -e '.runs[0].results | length == 1 and .[0].suppressions' reports/now.sarif >/dev/null || fail "the waived drift is not in the SARIF"
    jq -e '.runs[0].results == []' "$(of_yaml "$file" '.jobs.deploy.steps[] | select(.uses // "" | startswith("github/")).with.sarif_file')" >/dev/null ||
        fail "the waived drift would be an alert"
}

# play [ARGUMENT]...
play() {
    HOME=$SCRATCH ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_RETRY_FILES_ENABLED=false ANSIBLE_NOCOLOR=true \
        ansible-playbook -i 'localhost,' -c local -e ansible_python_interpreter=/usr/bin/python3 "$EXAMPLES/ansible/deploy.yml" \
        -e "{\"sign\": [\"--key\", \"$KEYS/alice\"], \"expect\": \"$SET\", \"ticket\": \"CHG-8\", \"motd\": \"$TREE/motd\", \"message\": \"${MESSAGE:-good day}\"}" "$@"
}

test_example_ansible_checks_deploys_and_blesses() {
    begin
    # Check mode looks, and changes nothing.
    expect_exit 0 play --check
    expect_output 'changed=1 .*failed=0' # what it would write
    expect_equal "$(cat "$TREE/motd")" hello
    expect_equal "$(last_ticket)" CHG-1
    expect_exit 0 driftctl diff
    # For real: the file and the blessing are changes.
    expect_exit 0 play
    expect_output 'changed=2 .*failed=0'
    expect_equal "$(last_ticket)" CHG-8
    expect_exit 0 driftctl diff
    # Again: nothing is.
    expect_exit 0 play
    expect_output 'changed=0 .*failed=0'
}

test_example_ansible_fails_for_drift() {
    begin
    printf 'x\n' >"$TREE/extra"
    expect_exit 2 play --check
    expect_output "drift: file:$TREE/extra"
    expect_output 'changed=0 .*failed=1'
    expect_exit 2 play
    expect_equal "$(cat "$TREE/motd")" hello "what a play did to a host that drifts"
    rm "$TREE/extra"
    MESSAGE=surprise expect_exit 2 play # it does what the set does not say
    expect_output 'TASK \[Compare with what was expected\]'
    expect_output 'changed=1 .*failed=1'
    expect_equal "$(last_ticket)" CHG-1
}

test_example_gherkin_attack() {
    begin
    cp -r "$EXAMPLES/gherkin/steps" .
    cp "$EXAMPLES/gherkin/driftd.attack" driftd.feature
    expect_exit 0 behave --no-color --no-capture driftd.feature
    expect_output '^3 scenarios passed, 0 failed, 0 skipped'
    expect_output '0 undefined'
    printf 'x\n' >"$TREE/extra"
    expect_exit 1 behave --no-color --no-capture driftd.feature
    expect_output '^1 scenario passed, 2 failed' # the history is as good as before
    expect_output "not ok [0-9]+ - host.file: file:$TREE/extra"
}

test_example_unit_is_accepted_by_systemd() {
    mkdir "$SCRATCH/units"
    sed "s|^ExecStart=/usr/bin/driftctl|ExecStart=$BUILD/driftctl|" "$EXAMPLES/systemd/driftctl-diff.service" >"$SCRATCH/units/driftctl-diff.service"
    sed "s|^\(Exec[A-Za-z]*=\)/usr/sbin/driftd|\1$BUILD/driftd|" systemd/driftd.service >"$SCRATCH/units/driftd.service"
    expect_exit 0 env SYSTEMD_UNIT_PATH="$SCRATCH/units:" systemd-analyze verify --man=no --recursive-errors=no "$SCRATCH/units/driftctl-diff.service"
    expect_equal "$(cat "$OUT" "$ERR")" '' "what systemd says of the unit"
}

# expressions — of the rules and of the dashboard, with Grafana's variables filled in
expressions() {
    of_yaml "$EXAMPLES/prometheus/driftd.rules.yml" '.groups[].rules[].expr'
    # shellcheck disable=SC2016 # Grafana's
    jq -r '.panels[].targets[].expr' "$EXAMPLES/grafana/driftd.json" | sed 's/\$instance/.*/g; s/\$__rate_interval/5m/g'
}

test_example_alerts_fire_when_they_should() {
    expect_exit 0 promtool check rules "$EXAMPLES/prometheus/driftd.rules.yml"
    expect_exit 0 promtool test rules "$EXAMPLES/prometheus/driftd.rules.test.yml"
    of_yaml "$EXAMPLES/prometheus/driftd.rules.yml" '.groups[].rules[].alert' | sort >"$SCRATCH/alerts"
    of_yaml "$EXAMPLES/prometheus/driftd.rules.test.yml" \
        '.tests[].alert_rule_test | select(any(.[]; .exp_alerts == []) and any(.[]; .exp_alerts != []))[0].alertname' | sort >"$SCRATCH/tested"
    cmp "$SCRATCH/alerts" "$SCRATCH/tested" || fail "not every alert is tested quiet and firing"
    # A test that cannot fail is none.
    sed 's/^\( *expr: \).*/\1vector(1) == 0/' "$EXAMPLES/prometheus/driftd.rules.yml" >"$SCRATCH/driftd.rules.yml"
    cp "$EXAMPLES/prometheus/driftd.rules.test.yml" "$SCRATCH/"
    expect_exit 1 promtool test rules "$SCRATCH/driftd.rules.test.yml"
    expect_equal "$(of_yaml "$EXAMPLES/prometheus/driftd.rules.yml" '.groups[].rules[] | select(.annotations.runbook == null).alert')" '' \
        "alerts that do not say what is next"
}

test_example_expressions_ask_for_metrics_that_there_are() {
    local metrics=tests/data/examples/metrics.txt
    # `up` is Prometheus' own.
    expressions | grep -oE '\b(driftd_[a-z_]+|up)\b' | sort -u | grep -vx up >"$SCRATCH/asked"
    [[ -s $SCRATCH/asked ]] || fail "nothing is asked for"
    sed '/^#/d; s/ .*//' "$metrics" | sort >"$SCRATCH/there"
    expect_equal "$(grep -ohE '\bdriftd_[a-z_]+' cli/output_metrics.c | sort -u)" "$(cat "$SCRATCH/there")" "the metrics that are written"
    expect_equal "$(comm -23 "$SCRATCH/asked" "$SCRATCH/there")" '' "metrics that are asked for and are not there"
    # Labels in selectors, one by one: those of the metric, and the two that Prometheus adds.
    local metric labels label
    while read -r metric labels; do
        for label in $(tr ',' ' ' <<<"$labels"); do
            case $label in instance | job) continue ;; esac
            grep -qE "^$metric (.*,)?$label(,|$)" "$metrics" || fail "$metric has no label $label"
        done
    done < <(expressions | grep -oE 'driftd_[a-z_]+\{[^}]*\}' | sed -E 's/\{/ /; s/\}//; s/(=~|!~|!=|=)"[^"]*"//g')
}

test_example_dashboard_is_one() {
    local file=$EXAMPLES/grafana/driftd.json number=0 expression
    jq -e '(.uid, .title | type == "string") and .schemaVersion > 30 and .id == null
        and ([.panels[].id] | length == (unique | length))
        and all(.panels[]; .gridPos | .x + .w <= 24 and .w > 0 and .h > 0)
        and all(.panels[]; .title != "" and (.targets | length > 0) and ([.targets[].refId] | length == (unique | length)))
        and all(.panels[].targets[]; .datasource.uid == "${datasource}")
        and ([.templating.list[].name] == ["datasource", "instance"])' "$file" >/dev/null || fail "the dashboard is none"
    # No panel lies on another.
    jq -e '[.panels[] | .gridPos | . as $p | range(.x; .x + .w) as $x | range(.y; .y + .h) as $y | [$x, $y]] | length == (unique | length)' "$file" >/dev/null ||
        fail "panels overlap"
    # Prometheus itself reads each expression.
    {
        printf 'groups:\n  - name: all\n    rules:\n'
        while IFS= read -r expression; do
            printf '      - record: r%d\n        expr: %s\n' $((number += 1)) "$(jq -Rc . <<<"$expression")"
        done < <(expressions)
    } >"$SCRATCH/all.yml"
    expect_exit 0 promtool check rules "$SCRATCH/all.yml"
    [[ $(grep -c record "$SCRATCH/all.yml") -ge 35 ]] || fail "not all expressions were read"
}
