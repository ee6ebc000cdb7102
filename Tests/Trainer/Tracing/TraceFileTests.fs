module CnnCluster.Tests.Trainer.Tracing.TraceFileTests

open System.IO
open Expecto
open CnnCluster.Kernels.Tracing
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Tests.Trainer.Tracing
open CnnCluster.Trainer
open CnnCluster.Trainer.Tracing

/// A trace with one span of this name on a track of its own.
let private write path (name: string) =
    use trace = new TraceFile(path, "a process", 10L)
    Trace.Attach(trace.Track("a thread", null))
    (Trace.Span(name, TraceCategory.Step)).Dispose()
    Trace.Attach null

let private names path =
    [ for span in Traces.spans path -> span.Name ]

[<Tests>]
let tests =
    testList
        "Trainer.TraceFile"
        [ test "is JSON, whatever a layer is called" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "trace.json")
                  write path "a \"layer\"\n\\"
                  Expect.equal (names path) [ "a \"layer\"\n\\" ] "the name"
                  Expect.equal [ for _, name in Traces.threads path -> name ] [ "a thread" ] "its thread")
          }
          test "takes in the parts of worker processes, and removes them" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "trace.json")

                  do
                      use home = new TraceFile(path, "home", 10L)
                      write (TraceFile.PartOf home.Location) "of a worker"

                  Expect.equal (names path) [ "of a worker" ] "merged"
                  Expect.equal (Directory.GetFiles folder) [| path |] "one file")
          }
          test "a part of a process with the number of one that is there gets one of its own" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "trace.json")

                  do
                      use home = new TraceFile(path, "home", 10L)
                      Trace.Attach(home.Track("a thread", null))
                      (Trace.Span("of the home", TraceCategory.Step)).Dispose()
                      Trace.Attach null

                      for name in [ "of a worker"; "\"pid\":1, of another" ] do
                          write (TraceFile.PartOf home.Location) name

                  let spans = Traces.spans path
                  let own = System.Environment.ProcessId

                  Expect.equal
                      (set [ for span in spans -> span.Name ])
                      (set [ "of the home"; "of a worker"; "\"pid\":1, of another" ])
                      "all"

                  Expect.equal (set [ for span in spans -> span.Process ]) (set [ own .. own + 2 ]) "three processes"

                  Expect.equal
                      (set [ for (place, _) in Traces.threads path -> fst place ])
                      (set [ own .. own + 2 ])
                      "threads' names, too")
          }
          test "a part that ends in the middle of a line gives its whole lines" {
              for missing in [ 1; 2; 10 ] do
                  inFolder (fun folder ->
                      let path = Path.Combine(folder, "trace.json")

                      do
                          use home = new TraceFile(path, "home", 10L)
                          let part = TraceFile.PartOf home.Location
                          write part "whole"
                          let text = File.ReadAllText part
                          let last = text.Split('\n') |> Array.findBack _.StartsWith("{")
                          let cut = last.Substring(0, last.Length - missing)
                          File.WriteAllText(part, text.Replace("\n]\n", $",\n{cut}"))

                      Expect.equal (names path) [ "whole" ] $"the line that lacks {missing} is lost")
          }
          test "a part that ends in the middle of its first line gives none" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "trace.json")

                  do
                      use home = new TraceFile(path, "home", 10L)

                      File.WriteAllText(
                          TraceFile.PartOf home.Location,
                          "[\n{\"name\":\"process_name\",\"args\":{\"name\":\"cut\"}"
                      )

                  Expect.isEmpty (names path) "and the trace is whole")
          }
          test "the parts of a run that was killed are not taken for the next one's" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "trace.json")
                  write $"{path}.part-1" "stale"
                  write path "fresh"
                  Expect.equal (names path) [ "fresh" ] "only this run's")
          }
          test "a file that cannot be written is the user's mistake" {
              inFolder (fun folder ->
                  for path in [ folder; Path.Combine(folder, "none", "trace.json") ] do
                      Expect.throwsT<UserException> (fun () -> (new TraceFile(path, "home", 10L)).Dispose()) path)
          } ]
