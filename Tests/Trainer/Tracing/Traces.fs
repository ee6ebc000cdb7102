/// Reads a trace as a viewer would.
module CnnCluster.Tests.Trainer.Tracing.Traces

open System.IO
open System.Text.Json.Nodes

type Span =
    { Name: string
      Category: string
      Process: int
      Thread: int
      Start: decimal
      End: decimal
      Epoch: int
      Step: int64 }

let private events path =
    (JsonNode.Parse(File.ReadAllText path)).AsArray() |> List.ofSeq

let private phase (event: JsonNode) = string event["ph"]

/// Its complete events.
let spans path =
    [ for event in events path do
          if phase event = "X" then
              let start = event["ts"].GetValue<decimal>()

              { Name = string event["name"]
                Category = string event["cat"]
                Process = int event["pid"]
                Thread = int event["tid"]
                Start = start
                End = start + event["dur"].GetValue<decimal>()
                Epoch = int event["args"].["epoch"]
                Step = int64 event["args"].["step"] } ]

/// The names of its threads, by process and thread.
let threads path =
    [ for event in events path do
          if phase event = "M" && string event["name"] = "thread_name" then
              (int event["pid"], int event["tid"]), string event["args"].["name"] ]

/// The pairs of spans of one thread that overlap without one being inside the other.
let crossings (spans: Span list) =
    [ for _, thread in List.groupBy (fun span -> span.Process, span.Thread) spans do
          let mutable opened: Span list = []

          for span in thread |> List.sortBy (fun span -> span.Start, -span.End) do
              opened <- opened |> List.skipWhile (fun outer -> outer.End <= span.Start)

              match opened with
              | outer :: _ when span.End > outer.End -> outer, span
              | _ -> ()

              opened <- span :: opened ]
