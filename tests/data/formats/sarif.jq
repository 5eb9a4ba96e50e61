# SPDX-License-Identifier: MIT
#
# What `driftctl diff --format sarif` may write: SARIF 2.1.0 (OASIS) as far as we use it, and what GitHub's code scanning
# asks beyond it. Prints a line for each thing that is wrong; nothing: all is well.

def wrong($what): "\($what): \(tojson | .[0:300])";
def members($allowed; $needed; $what):
    . as $object
    | ((keys - $allowed)[] | . as $key | $object | wrong("\($what) has a member \($key)")),
      (($needed - keys)[] | . as $key | $object | wrong("\($what) has no \($key)"));
def text($what): if type == "string" and length > 0 then empty else wrong("\($what) is no text") end;
def uri($what):
    if type == "string" and test("^([A-Za-z0-9._~/-]|%[0-9A-F]{2})+$") and (startswith("/") | not) then empty
    else wrong("\($what) is no relative, percent-encoded URI") end;
def location:
    members(["physicalLocation", "logicalLocations"]; ["physicalLocation", "logicalLocations"]; "a location"),
    (.physicalLocation.artifactLocation | members(["uri", "uriBaseId"]; ["uri", "uriBaseId"]; "an artifactLocation"),
        (.uri | uri("an artifactLocation")), (select(.uriBaseId != "ROOT") | wrong("uriBaseId is another"))),
    (.physicalLocation.region.startLine | select(type != "number" or . < 1) | wrong("startLine")),
    (.logicalLocations[].fullyQualifiedName | text("a fullyQualifiedName"));
def rule:
    members(["id", "shortDescription", "fullDescription", "help", "defaultConfiguration", "properties"];
        ["id", "shortDescription", "fullDescription", "help", "defaultConfiguration", "properties"]; "a rule"),
    (.id | select(test("^[a-z]+-(changed|missing|unexpected|absent)-(high|medium|low)$") | not) | wrong("a rule's id")),
    (.shortDescription.text, .fullDescription.text, .help.text, .help.markdown | text("a rule's words")),
    (select(.properties["security-severity"] | tonumber | . > 0 and . <= 10 | not) | wrong("security-severity")),
    (select([(.id | sub(".*-"; "")), .defaultConfiguration.level, .properties["security-severity"]] as $have
        | any(["high", "error", "8.0"], ["medium", "warning", "5.5"], ["low", "note", "2.0"]; . == $have) | not)
        | wrong("severity and level differ"));
def suppression:
    members(["kind", "status", "justification", "properties"]; ["kind", "status", "justification"]; "a suppression"),
    (select(.kind != "external" or .status != "accepted") | wrong("a suppression is of another kind"));
def result($rules):
    members(["ruleId", "ruleIndex", "kind", "level", "message", "locations", "partialFingerprints", "properties", "suppressions"];
        ["ruleId", "ruleIndex", "kind", "level", "message", "locations", "partialFingerprints", "properties"]; "a result"),
    (select($rules[.ruleIndex].id != .ruleId) | wrong("ruleIndex leads elsewhere")),
    (select($rules[.ruleIndex].defaultConfiguration.level != .level) | wrong("level is not its rule's")),
    (select(.kind != "fail") | wrong("kind is not fail")),
    (.message.text | text("a message")),
    (select(.locations | length != 1) | wrong("not one location")),
    (.locations[] | location),
    (.partialFingerprints.primaryLocationLineHash | select(test("^[0-9a-f]{64}$") | not) | wrong("a fingerprint")),
    (.suppressions // [] | .[] | suppression),
    (select((.properties.state == "waived") != has("suppressions")) | wrong("waived and suppressed differ")),
    (select(.properties.change == "unknown") | wrong("unknown is no result"));
def notification:
    members(["level", "message", "descriptor", "locations"]; ["level", "message", "descriptor"]; "a notification"),
    (select(.level != "error") | wrong("a notification's level")),
    (.message.text, .descriptor.id | text("a notification's words")),
    (.locations // [] | .[] | location);
def invocation:
    members(["executionSuccessful", "exitCode", "endTimeUtc", "machine", "toolExecutionNotifications"];
        ["executionSuccessful", "exitCode", "endTimeUtc", "machine", "toolExecutionNotifications"]; "an invocation"),
    (select(.executionSuccessful != (.toolExecutionNotifications == [])) | wrong("executionSuccessful")),
    (select(.endTimeUtc | test("^[0-9-]{10}T[0-9:.]+Z$") | not) | wrong("endTimeUtc")),
    (.toolExecutionNotifications[] | notification);
def run:
    members(["tool", "automationDetails", "originalUriBaseIds", "invocations", "properties", "results"];
        ["tool", "automationDetails", "originalUriBaseIds", "invocations", "properties", "results"]; "a run"),
    (.tool.driver | members(["name", "fullName", "version", "semanticVersion", "rules"];
        ["name", "fullName", "version", "semanticVersion", "rules"]; "the driver")),
    (.tool.driver.rules[] | rule),
    (.tool.driver.rules | select((map(.id) | unique | length) != length) | wrong("two rules of one id")),
    (.automationDetails.id | select(test("^driftd/[^/]+/[^/]+$") | not) | wrong("automationDetails.id")),
    (.originalUriBaseIds.ROOT.uri | select(test("^file:///([A-Za-z0-9._~/-]|%[0-9A-F]{2})*$") and endswith("/") | not)
        | wrong("ROOT is no folder's URI")),
    (select(.invocations | length != 1) | wrong("not one invocation")),
    (.invocations[] | invocation),
    (.tool.driver.rules as $rules | .results[] | result($rules)),
    (.results | select((map(.partialFingerprints) | unique | length) != length) | wrong("two results of one fingerprint"));

members(["$schema", "version", "runs"]; ["$schema", "version", "runs"]; "the log"),
(select(.version != "2.1.0") | wrong("version")),
(select(.runs | length != 1) | wrong("not one run")),
(.runs[] | run)
