"""Settings: the order of their sources, and what a wrong one is told."""

import re
from pathlib import Path

import pytest
from attrs import field, frozen

from gateway.settings import LoadedSettings, Role, SettingsError, check_gateway, check_worker, describe, load


def loaded(tmp_path: Path, toml: str = "", **environ: str) -> LoadedSettings:
    file = tmp_path / "gateway.toml"
    file.write_text(toml, encoding="utf-8")
    return load(file, environ)


def refusal(tmp_path: Path, toml: str = "", **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, toml, **environ)
    return str(caught.value).replace(str(tmp_path) + "/", "")


# --- order of sources


def test_without_any_source_the_defaults_hold():
    settings = load(None, {}).settings
    assert (settings.http.port, settings.http.listen_host, settings.intake.max_images) == (
        8080,
        "127.0.0.1",
        100,
    )


def test_the_file_overrides_the_default(tmp_path):
    assert loaded(tmp_path, "[http]\nport = 1").settings.http.port == 1


def test_a_gateway_variable_overrides_the_file(tmp_path):
    assert loaded(tmp_path, "[http]\nport = 1", GATEWAY_HTTP_PORT="2").settings.http.port == 2


def test_an_existing_name_overrides_all(tmp_path):
    found = loaded(tmp_path, "[http]\nport = 1", GATEWAY_HTTP_PORT="2", SERVER_PORT="3")
    assert (found.settings.http.port, found.origins["http.port"]) == (3, "SERVER_PORT")


def test_an_empty_existing_name_says_nothing(tmp_path):
    assert loaded(tmp_path, "[http]\nport = 1", SERVER_PORT="").settings.http.port == 1


def test_a_value_remembers_the_file_it_came_from(tmp_path):
    found = loaded(tmp_path, "[http]\nport = 1")
    assert found.origins == {"http.port": str(tmp_path / "gateway.toml")}


@pytest.mark.parametrize("name", ["TELEGRAM_TOKEN", "HTTP_PORT", "WORKER_CONCURRENCY", "GATEWAY_URL"])
def test_a_name_of_a_part_that_the_gateway_has_not_is_no_error(name):
    assert load(None, {name: "anything"}).origins == {}


EXISTING = [
    ("RABBITMQ_URL", "amqp://ada:pw@mq/v", "broker.url", "amqp://ada:pw@mq/v"),
    ("MINIO_ENDPOINT", "minio:9000", "object_store.endpoint", "minio:9000"),
    ("MINIO_ACCESS_KEY", "ada", "object_store.access_key", "ada"),
    ("MINIO_SECRET_KEY", "12345678", "object_store.secret_key", "12345678"),
    ("MINIO_USE_SSL", "true", "object_store.tls", True),
    ("MINIO_ORIGINAL_BUCKET", "raw", "object_store.original_bucket", "raw"),
    ("MINIO_PROCESSED_BUCKET", "done", "object_store.processed_bucket", "done"),
    ("DD_API_KEY", "k", "metrics.datadog_api_key", "k"),
    ("DD_AGENT_HOST", "agent", "metrics.datadog_host", "agent"),
    ("DD_ENV", "prod", "metrics.datadog_env", "prod"),
]


@pytest.mark.parametrize(("name", "text", "path", "value"), EXISTING)
def test_a_name_that_a_deployment_sets_already_overrides_the_file(tmp_path, name, text, path, value):
    section, _, key = path.partition(".")
    toml = f"[{section}]\n{key} = " + ("false" if value is True else '"amqp://other"')
    if name == "MINIO_ENDPOINT" or name.endswith("BUCKET"):
        toml = f'[{section}]\n{key} = "other"'
    found = loaded(tmp_path, toml, **{name: text})
    assert getattr(getattr(found.settings, section), key) == value
    assert found.origins[path] == name


@pytest.mark.parametrize(
    ("role", "consumed", "published"),
    [
        (Role.ANALYZER, "image_upload_queue", "metadata_generated_queue"),
        (Role.PROCESSOR, "metadata_generated_queue", "image_processed_queue"),
    ],
)
def test_the_names_of_a_worker_are_those_of_its_role(role, consumed, published):
    names = {
        "RABBITMQ_CONSUMER_QUEUE": "in",
        "RABBITMQ_PUBLISHER_QUEUE": "out",
        "RABBITMQ_PREFETCH_COUNT": "3",
        "WORKER_CONCURRENCY": "5",
        "HTTP_PORT": "9090",
    }
    settings = load(None, names, role).settings
    own = settings.of(role)
    assert (getattr(settings.broker, consumed), getattr(settings.broker, published)) == ("in", "out")
    assert (own.prefetch, own.concurrency, settings.http_of(role).port) == (3, 5, 9090)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    ("helpers", "concurrency", "at_once"),
    [("4", "0", 4), ("1", "0", 2), ("4", "1", 1), ("1", "9", 9)],
    ids=["a helper each", "two at least", "fewer when it says so", "more when it says so"],
)
def test_a_worker_has_as_many_images_in_work_as_keep_its_helpers_busy(role, helpers, concurrency, at_once):
    names = {"GATEWAY_HELPERS_COUNT": helpers, "WORKER_CONCURRENCY": concurrency}
    assert load(None, names, role).settings.images_at_once(role) == at_once


@pytest.mark.parametrize(
    ("role", "settings", "at_once"),
    [
        (Role.ANALYZER, {"OPENROUTER_API_KEY": "sk"}, 9),
        (Role.ANALYZER, {"OPENROUTER_API_KEY": "sk", "WORKER_CONCURRENCY": "1"}, 1),
        (Role.ANALYZER, {}, 2),
        (Role.PROCESSOR, {"GATEWAY_ANALYZER_PROVIDERS": "vision"}, 2),
    ],
    ids=["a request each", "fewer when it says so", "no model", "no analyzer"],
)
def test_an_analyzer_has_as_many_images_in_work_as_its_model_may_be_asked_about(role, settings, at_once):
    names = {"GATEWAY_HELPERS_COUNT": "1", "GATEWAY_VISION_MAX_IN_FLIGHT": "9"}
    assert load(None, names | settings, role).settings.images_at_once(role) == at_once


def test_a_worker_that_would_publish_where_it_consumes_is_told_the_queue():
    with pytest.raises(SettingsError, match="two are called batch"):
        load(None, {"RABBITMQ_CONSUMER_QUEUE": "batch", "RABBITMQ_PUBLISHER_QUEUE": "batch"}, Role.ANALYZER)


def test_a_key_of_digits_stays_text():
    assert load(None, {"MINIO_SECRET_KEY": "0012"}).settings.object_store.secret_key == "0012"


def test_what_kubernetes_sets_beside_a_service_called_gateway_is_no_error():
    names = "GATEWAY_SERVICE_HOST", "GATEWAY_SERVICE_PORT_HTTP", "GATEWAY_PORT", "GATEWAY_PORT_8080_TCP_ADDR"
    assert load(None, dict.fromkeys(names, "tcp://10.0.0.1:8080")).origins == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GATEWAY_RABBITMQ_SERVICE_HOST", "10.0.0.1"),
        ("GATEWAY_RABBITMQ_SERVICE_PORT_AMQP", "5672"),
        ("GATEWAY_MINIO_PORT", "tcp://10.0.0.1:9000"),
        ("GATEWAY_MINIO_PORT_9000_TCP_PROTO", "tcp"),
        ("GATEWAY_HTTP_PORT", "tcp://10.0.0.1:80"),
    ],
)
def test_what_kubernetes_sets_beside_a_service_whose_name_begins_so_is_no_error(name, text):
    assert load(None, {name: text}).origins == {}


# --- values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("500ms", 0.5),
        ("10m", 600),
        ("24h", 86400),
        ("1d", 86400),
        ("1.5h", 5400),
        ("7", 7),
        ("2.5", 2.5),
    ],
)
def test_a_duration_is_written_with_its_unit_or_in_seconds(text, seconds):
    assert load(None, {"GATEWAY_JOBS_KEEP_S": text}).settings.jobs.keep_s == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2MB", 2 * 1024**2),
        ("2 MiB", 2 * 1024**2),
        ("64kb", 65536),
        ("1.5GB", 1536 * 1024**2),
        ("9B", 9),
        ("9", 9),
    ],
)
def test_a_size_is_written_with_its_unit_or_in_bytes(text, size):
    assert load(None, {"GATEWAY_INTAKE_MAX_IMAGE_BYTES": text}).settings.intake.max_image_bytes == size


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("1", True), ("ON", True), ("T", True), ("no", False), ("0", False), ("f", False)],
)
def test_a_boolean_has_many_spellings_in_a_variable(text, value):
    found = load(None, {"GATEWAY_HTTP_TCP": text, "GATEWAY_HTTP_SOCKET": "/run/gateway.sock"})
    assert found.settings.http.tcp is value


@pytest.mark.parametrize(
    ("text", "ports"), [("80, 8080", (80, 8080)), ("80", (80,)), ("", ()), ("80,", (80,))]
)
def test_a_list_is_separated_by_commas_in_a_variable(text, ports):
    assert load(None, {"GATEWAY_FETCH_ALLOWED_PORTS": text}).settings.fetch.allowed_ports == ports


def test_a_duration_may_be_text_in_the_file(tmp_path):
    assert loaded(tmp_path, '[jobs]\nkeep_s = "24h"').settings.jobs.keep_s == 86400


def test_the_data_folder_may_start_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert load(None, {"GATEWAY_DATA_DIR": "~/photos"}).settings.data_dir == Path("/home/ada/photos")


def test_the_data_folder_follows_xdg(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert load(None, {}).settings.data_dir == Path("/srv/data/gateway")


def test_a_relative_xdg_folder_is_ignored(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "data")
    monkeypatch.setenv("HOME", "/home/ada")
    assert load(None, {}).settings.data_dir == Path("/home/ada/.local/share/gateway")


@pytest.mark.parametrize(("older", "level"), [("warn", "warning"), ("INFO", "info"), ("fatal", "critical")])
def test_the_older_words_for_a_log_level_are_understood(older, level):
    assert load(None, {"LOG_LEVEL": older}).settings.log.level == level


# --- what is wrong is told

WRONG_IN_FILE = [
    ("[htp]\nport = 1", "gateway.toml: there is no table 'htp'; did you mean http?"),
    ("[http]\nprt = 1", "gateway.toml, [http]: there is no setting 'prt'; did you mean port?"),
    ("port = 1", "gateway.toml: there is no setting 'port'"),
    ("[http.port]\na = 1", 'http.port = {"a": 1} (from gateway.toml): expected a whole number'),
    ("http = 1", "gateway.toml: http is a table of settings, not a value"),
    ('[http]\nport = "x"', 'http.port = "x" (from gateway.toml): expected a whole number'),
    ("[http]\nport = true", "http.port = true (from gateway.toml): expected a whole number"),
    ("[http]\nport = 80.0", "http.port = 80.0 (from gateway.toml): expected a whole number"),
    ("[http]\nport = -1", "http.port = -1 (from gateway.toml): must be >= 0"),
    (
        "[subscribers]\nheartbeat_s = 0.01",
        "subscribers.heartbeat_s = 0.01 (from gateway.toml): must be >= 0.1",
    ),
    (
        '[subscribers]\nheartbeat_s = "1m"',
        'subscribers.heartbeat_s = "1m" (from gateway.toml): must be <= 20.0',
    ),
    ("[http]\nhost = 1", "http.host = 1 (from gateway.toml): expected text"),
    ('[http]\ntcp = "no"', 'http.tcp = "no" (from gateway.toml): expected true or false'),
    (
        "[http]\ntcp = false",
        "http.tcp = false (from gateway.toml): without TCP a path is needed in http.socket",
    ),
    ('[http]\ncors_origins = "*"', 'http.cors_origins = "*" (from gateway.toml): expected a list, each text'),
    (
        "[http]\ncors_origins = [1]",
        "http.cors_origins = [1] (from gateway.toml): expected a list, each text",
    ),
    (
        '[jobs]\nkeep_s = "24 hours"',
        'jobs.keep_s = "24 hours" (from gateway.toml): expected a duration like 5s, 500ms, 10m or 24h',
    ),
    (
        "[jobs]\nkeep_s = inf",
        "jobs.keep_s = Infinity (from gateway.toml): expected a duration like 5s, 500ms, 10m or 24h",
    ),
    (
        '[log]\nlevel = "loud"',
        'log.level = "loud" (from gateway.toml): expected one of debug, info, warning, error, critical',
    ),
    (
        '[fetch]\nallowed_networks = ["10.0.0.0/8", "lan"]',
        (
            'fetch.allowed_networks = ["10.0.0.0/8", "lan"] (from gateway.toml): '
            "'lan' is not a network; write it like 192.168.1.0/24"
        ),
    ),
    ("data_dir = 1", "data_dir = 1 (from gateway.toml): expected a path"),
]


@pytest.mark.parametrize(("toml", "message"), WRONG_IN_FILE)
def test_a_wrong_file_is_told_what_where_and_why(tmp_path, toml, message):
    assert refusal(tmp_path, toml) == message


WRONG_IN_ENVIRONMENT = [
    ("GATEWAY_HTTP_PROT", "1", "GATEWAY_HTTP_PROT: there is no such setting; did you mean GATEWAY_HTTP_PORT?"),
    ("GATEWAY_XYZ", "1", "GATEWAY_XYZ: there is no such setting"),
    ("GATEWAY_PORT", "80", "GATEWAY_PORT: there is no such setting; did you mean GATEWAY_HTTP_PORT?"),
    ("GATEWAY_DATA_DIR", "~nobody-of-this-name/x",
     'data_dir = "~nobody-of-this-name/x" (from GATEWAY_DATA_DIR): expected a path'),
    ("GATEWAY_HTTP_PORT", "9" * 400,
     f'http.port = {"9" * 80}... (from GATEWAY_HTTP_PORT): expected a whole number'),
    ("MINIO_ENDPOINT", "ada:hidden@minio:9000",
     ('object_store.endpoint = "***@minio:9000" (from MINIO_ENDPOINT): must be like minio:9000, '
      "without http:// and path; MINIO_USE_SSL says whether by https")),
    ("DD_AGENT_HOST", "http://datadog:8125",
     ('metrics.datadog_host = "http://datadog:8125" (from DD_AGENT_HOST): '
      "must be the agent's host alone, without scheme, port and path")),
    ("GATEWAY_HTTP_PORT", "", 'http.port = "" (from GATEWAY_HTTP_PORT): expected a whole number'),
    ("GATEWAY_HTTP_PORT", "8_0", 'http.port = "8_0" (from GATEWAY_HTTP_PORT): expected a whole number'),
    ("SERVER_PORT", "70000", "http.port = 70000 (from SERVER_PORT): must be <= 65535"),
    ("GATEWAY_HTTP_TCP", "maybe", 'http.tcp = "maybe" (from GATEWAY_HTTP_TCP): expected true or false'),
    (
        "GATEWAY_INTAKE_MAX_IMAGE_BYTES",
        "10 MBit",
        ('intake.max_image_bytes = "10 MBit" (from GATEWAY_INTAKE_MAX_IMAGE_BYTES): '
        "expected a size like 64MB, or bytes as a number"),
    ),
    (
        "GATEWAY_FETCH_ALLOWED_PORTS",
        "80,http",
        'fetch.allowed_ports = [80, "http"] (from GATEWAY_FETCH_ALLOWED_PORTS): expected a list, each a whole number',
    ),
    (
        "GATEWAY_FETCH_ALLOWED_NETWORKS",
        "127.0.0.1/8",
        ('fetch.allowed_networks = ["127.0.0.1/8"] (from GATEWAY_FETCH_ALLOWED_NETWORKS): '
        "'127.0.0.1/8' is an address within a network; did you mean 127.0.0.0/8?"),
    ),
    (
        "GATEWAY_HTTP_CORS_ORIGINS",
        "*,example.com",
        ('http.cors_origins = ["*", "example.com"] (from GATEWAY_HTTP_CORS_ORIGINS): '
        "'example.com' is not an origin; did you mean https://example.com?"),
    ),
    (
        "GATEWAY_HTTP_CORS_ORIGINS",
        "https://ada:secret@example.com",
        ('http.cors_origins = ["https://***@example.com"] (from GATEWAY_HTTP_CORS_ORIGINS): '
        "'https://***@example.com' is not an origin; did you mean https://example.com?"),
    ),
    (
        "RABBITMQ_URL",
        "amqp://ada:hid/den@mq/",
        ('broker.url = "amqp://***@mq/" (from RABBITMQ_URL): must be like amqp://HOST:5672/VHOST, '
        "with USER:PASSWORD@ before the host; a / in them is written %2F"),
    ),
    ("LOG_LEVEL", "x" * 200, (f'log.level = "{"x" * 79}... (from LOG_LEVEL): expected one of debug, info, '
                             "warning, error, critical")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "message"), WRONG_IN_ENVIRONMENT)
def test_a_wrong_variable_is_told_what_where_and_why(tmp_path, name, text, message):
    assert refusal(tmp_path, **{name: text}) == message


def test_the_first_wrong_value_is_named_when_another_is_wrong_too(tmp_path):
    toml = '[http]\ntcp = false\nsocket = "/run/gateway.sock"\nport = -1'
    assert refusal(tmp_path, toml) == "http.port = -1 (from gateway.toml): must be >= 0"


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"absent\.toml: can't be read: No such file or directory"):
        load(tmp_path / "absent.toml", {})


def test_a_file_that_is_no_toml_is_told_where(tmp_path):
    assert refusal(tmp_path, "[http\n").startswith("gateway.toml: not TOML: ")


def test_a_file_that_is_no_text_is_told_so(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8 text"):
        load(file, {})


# --- mode

SERVERS = {"RABBITMQ_URL": "amqp://mq", "MINIO_ENDPOINT": "minio:9000"}
KEYS = {"MINIO_ACCESS_KEY": "ada", "MINIO_SECRET_KEY": "hidden"}


def kinds(settings):
    return (
        settings.broker.kind,
        settings.object_store.kind,
        settings.analyzer.kind,
        settings.processor.kind,
        settings.http.listen_host,
    )


EMBEDDED = ("in_process", "folder", "built_in", "built_in", "127.0.0.1")
PRODUCTION = ("rabbitmq", "s3", "external", "external", "0.0.0.0")


def test_without_servers_it_is_embedded_mode():
    assert kinds(load(None, {}).settings) == EMBEDDED


def test_both_servers_ask_for_production_mode():
    found = load(None, SERVERS | KEYS)
    assert kinds(found.settings) == PRODUCTION
    assert found.origins["broker.kind"] == (
        "default of production mode, for RABBITMQ_URL and MINIO_ENDPOINT are set"
    )
    check_gateway(found.settings)


def test_an_empty_server_asks_for_nothing():
    assert kinds(load(None, dict.fromkeys(SERVERS, "")).settings) == EMBEDDED


def test_a_default_of_production_mode_is_overridden_like_any_other():
    settings = load(
        None, SERVERS | {"GATEWAY_HTTP_HOST": "::1", "GATEWAY_ANALYZER_KIND": "built_in"}
    ).settings
    assert (settings.http.listen_host, settings.analyzer.kind, settings.processor.kind) == (
        "::1", "built_in", "external",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("named", "missing"), [("RABBITMQ_URL", "MINIO_ENDPOINT"), ("MINIO_ENDPOINT", "RABBITMQ_URL")]
)
def test_one_server_alone_is_refused_and_the_other_named(named, missing):
    with pytest.raises(
        SettingsError, match=f"{named} is set and {missing} is not: production mode needs both"
    ):
        load(None, {named: SERVERS[named]})


@pytest.mark.parametrize(
    ("named", "kind"),
    [("RABBITMQ_URL", "GATEWAY_BROKER_KIND"), ("MINIO_ENDPOINT", "GATEWAY_OBJECT_STORE_KIND")],
)
def test_one_server_alone_is_fine_when_its_kind_is_said(named, kind):
    settings = load(None, {named: SERVERS[named], kind: "rabbitmq" if "BROKER" in kind else "s3"}).settings
    assert (settings.broker.kind, settings.object_store.kind) in (
        ("rabbitmq", "folder"),
        ("in_process", "s3"),
    )


def test_a_file_decides_the_mode_whatever_else_is_set(tmp_path):
    assert kinds(loaded(tmp_path, "", **SERVERS).settings) == EMBEDDED
    assert kinds(loaded(tmp_path, "", RABBITMQ_URL="amqp://mq").settings) == EMBEDDED


UNFIT_GATEWAYS = [
    (
        '[analyzer]\nkind = "external"',
        (
            "analyzer.kind = external needs a broker that other processes reach: broker.kind = rabbitmq, "
            "with its address in RABBITMQ_URL"
        ),
    ),
    (
        '[broker]\nkind = "rabbitmq"\n[processor]\nkind = "external"',
        (
            "processor.kind = external needs an object store that other processes reach: object_store.kind = s3, "
            "with its address in MINIO_ENDPOINT, or the path of a folder that all of them have"
        ),
    ),
    (
        '[object_store]\nkind = "s3"',
        "object_store.kind = s3 needs object_store.access_key (MINIO_ACCESS_KEY), and there is none",
    ),
    (
        '[object_store]\nkind = "s3"\naccess_key = "ada"',
        "object_store.kind = s3 needs object_store.secret_key (MINIO_SECRET_KEY), and there is none",
    ),
    (
        '[object_store]\nkind = "s3"\naccess_key = "ada"\nsecret_key = "s"\nconnections = 8',
        (
            "http.max_downloads = 16 needs object_store.connections = 32 or more, and it is 8: slow downloads could "
            "keep the gateway from its object store"
        ),
    ),
]


@pytest.mark.parametrize(("toml", "message"), UNFIT_GATEWAYS)
def test_parts_that_do_not_fit_together_are_told_what_is_missing(tmp_path, toml, message):
    with pytest.raises(SettingsError) as caught:
        check_gateway(loaded(tmp_path, toml).settings)
    assert str(caught.value) == message


def test_a_worker_without_a_broker_of_its_gateway_is_refused():
    with pytest.raises(
        SettingsError, match="an analyzer of its own needs a broker that other processes reach"
    ):
        check_worker(load(None, {}, Role.ANALYZER).settings, Role.ANALYZER)


def test_a_worker_may_share_a_folder_with_its_gateway(tmp_path):
    toml = '[broker]\nkind = "rabbitmq"\n[object_store]\npath = "/srv/photos"'
    check_worker(loaded(tmp_path, toml).settings, Role.PROCESSOR)


# --- printed


def test_what_is_printed_can_be_loaded_again(tmp_path):
    toml = '[http]\nhost = "::1"\nsocket = "a \\"b\\" \\\\ \\u007f ü"\n[jobs]\nkeep_s = "90m"'
    first = loaded(
        tmp_path, toml, GATEWAY_FETCH_ALLOWED_DOMAINS="a.example,b.example", GATEWAY_DATA_DIR="/srv/x"
    )
    assert loaded(tmp_path, describe(first)).settings == first.settings


def test_each_printed_setting_says_where_it_came_from(tmp_path):
    lines = describe(loaded(tmp_path, "[http]\nport = 1", LOG_LEVEL="debug")).splitlines()
    assert f"port = 1  # {tmp_path / 'gateway.toml'}" in lines
    assert 'level = "debug"  # LOG_LEVEL' in lines
    assert "tcp = true  # default" in lines


def test_no_secret_of_production_mode_is_printed():
    secrets = {
        "RABBITMQ_URL": "amqp://ada:hid@d@en@mq:5672/v",
        "MINIO_ACCESS_KEY": "hidden",
        "DD_API_KEY": "hidden",
    }
    printed = describe(load(None, SERVERS | KEYS | secrets))
    assert '# url = "amqp://***@mq:5672/v"  # RABBITMQ_URL' in printed
    assert '# secret_key = "***"  # MINIO_SECRET_KEY' in printed
    assert not re.search("hid|d@en", printed)


@pytest.mark.parametrize("password", ["hid den", 'hid"den', "hid'den", "hid<den", "hid@den"])
def test_no_character_in_the_password_of_the_broker_has_it_printed(password):
    printed = describe(load(None, SERVERS | KEYS | {"RABBITMQ_URL": f"amqp://ada:{password}@mq:5672/v"}))
    assert '# url = "amqp://***@mq:5672/v"  # RABBITMQ_URL' in printed
    assert not re.search("hid|den@", printed)


@pytest.mark.parametrize(
    "url", ["ada:hidden@mq", "amqp:ada:hidden@mq", "amqp:/ada:hidden@mq", "http://ada:hidden@mq"]
)
def test_an_address_of_the_broker_that_is_refused_is_told_without_its_password(tmp_path, url):
    told = refusal(tmp_path, RABBITMQ_URL=url)
    assert "***@mq" in told
    assert "hidden" not in told


def test_a_password_in_a_url_is_neither_printed_nor_loaded_again(tmp_path):
    printed = describe(loaded(tmp_path, '[fetch]\nuser_agent = "bot (https://me:hidden@example.com/)"'))
    assert '# user_agent = "bot (https://***@example.com/)"' in printed
    assert "hidden" not in printed


@frozen
class StoreSettings:
    endpoint: str = "minio:9000"
    secret_key: str = "hidden"
    phrase: str = field(default="hidden", metadata={"secret": True})
    user_token: str = ""


def test_a_secret_is_masked_and_commented_out_when_it_is_set():
    loaded_settings = LoadedSettings(StoreSettings(), {})  # type: ignore[arg-type]
    assert describe(loaded_settings).splitlines() == [
        'endpoint = "minio:9000"  # default',
        '# secret_key = "***"  # default',
        '# phrase = "***"  # default',
        'user_token = ""  # default',
    ]
