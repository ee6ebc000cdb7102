module CnnCluster.Tests.Trainer.Observation.ProcessLogTests

open System
open System.IO
open Expecto
open Microsoft.Extensions.Logging
open CnnCluster.Trainer
open CnnCluster.Trainer.Observation

type private FixedClock() =
    inherit TimeProvider()

    override _.GetUtcNow() =
        DateTimeOffset(2031, 3, 9, 10, 5, 7, 89, TimeSpan.Zero)

let private subject =
    LogSubject(Nullable 2, Nullable 3L, Nullable 1L, Nullable 120L)

let private coordinator =
    LogSubject(Nullable(), Nullable 3L, Nullable 1L, Nullable 120L)

/// The lines that a log writes.
let private lines level format act =
    use writer = new StringWriter()

    let log =
        new ProcessLog(LogOptions(level, format), writer, (fun () -> coordinator), FixedClock())

    act log

    writer.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)
    |> List.ofArray

let private at = "2031-03-09T10:05:07.089Z"
let private pid = Environment.ProcessId

let private wrong act =
    (Expect.throwsC (fun () -> act () |> ignore) id :?> UserException).Message

[<Tests>]
let tests =
    testList
        "Trainer.Observation.ProcessLog"
        [ test "a line of text has the time, the level, the process, the worker, the generation, the term and the step" {
              Expect.equal
                  (lines LogLevel.Information LogFormat.Text (fun log ->
                      log.Write(LogLevel.Warning, "worker", subject, "halts: worker 1 was silent")))
                  [ $"{at} warning process {pid} worker 2 generation 3 term 1 step 120 worker: halts: worker 1 was silent" ]
                  "all of them"
          }
          test "a line of JSON has the same as fields" {
              Expect.equal
                  (lines LogLevel.Information LogFormat.Json (fun log ->
                      log.Write(LogLevel.Information, "coordinator", coordinator, "Training → \"Validating\"")))
                  [ $"{{\"time\":\"{at}\",\"level\":\"info\",\"process\":{pid},\"generation\":3,\"term\":1,\"step\":120,\"source\":\"coordinator\",\"message\":\"Training → \\\"Validating\\\"\"}}" ]
                  "what is not known is left out"
          }
          test "what is below the level is not written, and nothing is with none" {
              let all (log: ProcessLog) =
                  for level in [ LogLevel.Debug; LogLevel.Information; LogLevel.Warning; LogLevel.Error ] do
                      log.Write(level, "x", subject, "message")

              Expect.equal
                  [ for level in [ LogLevel.Debug; LogLevel.Warning; LogLevel.None ] ->
                        (lines level LogFormat.Text all).Length ]
                  [ 4; 2; 0 ]
                  "lines"
          }
          test "a library's lines say what the process is at, and what was thrown" {
              let said =
                  lines LogLevel.Warning LogFormat.Json (fun log ->
                      let logger = log.CreateLogger "Akka"
                      logger.LogError(InvalidOperationException "broken", "lost {What}", "it"))

              let line = List.exactlyOne said
              Expect.stringContains line "\"level\":\"error\"" "level"

              Expect.stringContains
                  line
                  "\"generation\":3,\"term\":1,\"step\":120,\"source\":\"Akka\",\"message\":\"lost it\""
                  "subject"

              Expect.stringContains line "\"exception\":\"System.InvalidOperationException: broken" "exception"
          }
          test "what a library tells in passing is debugging" {
              let said level =
                  lines level LogFormat.Text (fun log ->
                      let logger = log.CreateLogger "Akka"

                      if logger.IsEnabled LogLevel.Information then
                          logger.LogInformation "started"

                      logger.LogWarning "strange")

              Expect.equal [ (said LogLevel.Information).Length; (said LogLevel.Debug).Length ] [ 1; 2 ] "lines"
          }
          test "in text an exception's lines are indented" {
              let said =
                  lines LogLevel.Error LogFormat.Text (fun log ->
                      log.CreateLogger("Akka").LogError(InvalidOperationException "one\ntwo", "lost"))

              Expect.hasLength said 3 "message, and two lines"
              Expect.equal said[2] "    two" "indented"
          }
          test "what the user reads is a record whatever the level, and says how much it matters" {
              Expect.equal
                  (lines LogLevel.None LogFormat.Json (fun log ->
                      log.Say "cnn: warning: 4 workers share 2 cores"
                      log.Say "cnn: the run failed: why"
                      log.Say "cnn node: the run's home is gone"
                      log.Say ""
                      log.Say "health: http://127.0.0.1:80/healthz")
                   |> List.map (fun line -> (line.Split "\"level\":")[1]))
                  [ for level, message in
                        [ "warning", "4 workers share 2 cores"
                          "error", "the run failed: why"
                          "warning", "the run's home is gone"
                          "info", "health: http://127.0.0.1:80/healthz" ] ->
                        $"\"{level}\",\"process\":{pid},\"generation\":3,\"term\":1,\"step\":120,\"source\":\"cnn\",\"message\":\"{message}\"}}" ]
                  "records"
          }
          test "a line of another process's log is handed on as it is" {
              let line = "{\"time\":\"t\",\"level\":\"info\",\"process\":7,\"message\":\"m\"}"
              Expect.equal (lines LogLevel.None LogFormat.Json (fun log -> log.Say line)) [ line ] "the same"
          }
          test "an option goes before the environment, and a format alone stands for info" {
              let level option format environment =
                  LogOptions.Of(option, format, environment).Level

              Expect.equal
                  [ level null null null
                    level null null "debug"
                    level "error" null "debug"
                    level null "json" null
                    level null "text" "warning"
                    level "none" "json" "debug" ]
                  [ LogLevel.None
                    LogLevel.Debug
                    LogLevel.Error
                    LogLevel.Information
                    LogLevel.Warning
                    LogLevel.None ]
                  "levels"
          }
          test "words that are none are said with those that there are" {
              Expect.equal
                  (wrong (fun () -> LogOptions.Of("loud", null, null)))
                  "--log-level takes debug, info, warning, error or none; it is 'loud'."
                  "an option"

              Expect.stringContains
                  (wrong (fun () -> LogOptions.Of(null, null, "loud")))
                  "CNN_LOG takes"
                  "the environment"

              Expect.equal
                  (wrong (fun () -> LogOptions.Of(null, "xml", null)))
                  "--log-format takes text or json; it is 'xml'."
                  "a format"
          } ]
