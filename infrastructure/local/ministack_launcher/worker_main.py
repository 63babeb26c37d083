"""The program inside a Lambda worker: a bare interpreter that has the standard library and the package, no
more.

Started as `python -I -S worker_main.py`. It never imports anything of this project or of ministack. The
parent speaks JSON lines: one initial message, then one message per invocation; this side answers each
with one line on what was file descriptor 1 at start. Everything the handler prints goes to stderr, closed
by one mark per invocation.
"""

import importlib
import importlib.util
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import IO, Any, NoReturn

LOG_MARK = "\x00end-of-invocation"
PARENT_POLL_SECONDS = 0.5


def _exit_with_parent(parent_pid: int) -> NoReturn:
    """End this process when the one that started it is gone, even in the middle of an invocation."""
    while os.getppid() == parent_pid:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(0)


def _claim_stdout() -> IO[str]:
    """Keep the protocol's descriptor to ourselves, and send every other write to stdout to the log."""
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return protocol


def _error(error: BaseException) -> dict[str, str]:
    frames = traceback.format_exception(type(error), error, error.__traceback__)
    return {
        "status": "error",
        "error": str(error),
        "error_type": type(error).__name__,
        "trace": "".join(frames),
    }


def _load_handler(init: dict[str, Any]) -> Callable[..., Any]:
    sys.path.insert(0, init["code_dir"])
    if os.environ.get("RECORD_AWS_CALLS") == "1":
        _load_beside("call_recorder").install()
    module = importlib.import_module(init["module"])
    handler: Callable[..., Any] = getattr(module, init["handler"])
    return handler


def _load_beside(name: str) -> Any:
    """This program is started by its path, so what lies beside it is no package to import from."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _meter(init: dict[str, Any]) -> Any:
    """What counts this worker's invocations; None when nobody asked."""
    path = os.environ.get("METER_INVOCATIONS")
    if not path:
        return None
    sys.path.insert(0, init["code_dir"])
    meter = _load_beside("invocation_meter").Meter(path, init["function_name"], init["memory"])
    meter.install()
    return meter


class _Context:
    """What AWS hands a handler beside its event."""

    identity = None
    client_context = None

    def __init__(self, init: dict[str, Any], call: dict[str, Any]) -> None:
        self.function_name = init["function_name"]
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        self.memory_limit_in_mb = init["memory"]
        self.invoked_function_arn = call["invoked_function_arn"]
        self.aws_request_id = call["request_id"]
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
        self._deadline = time.monotonic() + call["timeout_ms"] / 1000

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function times out."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def _set_or_remove(name: str, value: object) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = str(value)


def _invoke(handler: Callable[..., Any], init: dict[str, Any], message: dict[str, Any]) -> str:
    call = message["ctx"]
    _set_or_remove("_X_AMZN_TRACE_ID", call.get("trace_id"))
    try:
        result = handler(message["event"], _Context(init, call))
        return json.dumps({"status": "ok", "result": result})
    except BaseException as error:  # a handler that calls sys.exit fails its invocation, not the protocol
        return json.dumps(_error(error))


def _import_failure(init: dict[str, Any], error: BaseException) -> dict[str, str]:
    answer = _error(error)
    if isinstance(error, ImportError):
        answer["error_type"] = "Runtime.ImportModuleError"
        answer["error"] = f"Unable to import module '{init['module']}': {error}"
    elif isinstance(error, AttributeError) and init["handler"] in str(error):
        answer["error_type"] = "Runtime.HandlerNotFound"
    return answer


def _answer(protocol: IO[str], line: str) -> None:
    sys.stderr.write(LOG_MARK + "\n")
    sys.stderr.flush()
    protocol.write(line + "\n")
    protocol.flush()


def main() -> None:
    """Serve invocations until the parent closes our input."""
    threading.Thread(target=_exit_with_parent, args=(os.getppid(),), daemon=True).start()
    protocol = _claim_stdout()
    init = json.loads(sys.stdin.readline())
    try:
        meter = _meter(init)
        handler = _load_handler(init)
    except BaseException as error:  # reported to the parent, which fails the invocation with it
        _answer(protocol, json.dumps(_import_failure(init, error)))
        return
    _answer(protocol, json.dumps({"status": "ready"}))
    for line in sys.stdin:
        message = json.loads(line)
        if meter is None:
            _answer(protocol, _invoke(handler, init, message))
        else:
            _answer(protocol, meter.measure(message["event"], lambda: _invoke(handler, init, message)))  # noqa: B023


if __name__ == "__main__":
    main()
