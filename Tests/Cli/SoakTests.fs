/// A long run whose workers come and go: what its processes hold stays what it was.
module CnnCluster.Tests.Cli.SoakTests

open System
open System.Diagnostics
open System.IO
open Expecto
open CnnCluster.Tests.Cli.Runs
open CnnCluster.Tests.Comparisons

/// So small that a step is mostly what a cluster does for it.
let private script =
    """
network Small {
    input   28x28x1
    avgpool 4x4
    flatten
    dense   10
}

train Small {
    data digits train=4000 test=64
    loss cross-entropy
    optimizer adam
    batch 8
    epochs 1000000
    early-stop patience=1000000
    seed 7
}
"""

/// How long it runs behind its warm-up.
let private duration =
    match Environment.GetEnvironmentVariable "CNN_SOAK" with
    | null
    | "" -> TimeSpan.FromSeconds 25.0
    | text -> TimeSpan.FromSeconds(float text)

/// What a process has of the system: megabytes of memory, open files and sockets, threads, and those of the runtime's pool apart.
type private Holding =
    { Resident: float
      Descriptors: int
      Threads: int
      Pool: int }

/// Their names. A thread may end while it is read.
let private threadsOf (pid: int) =
    [ for thread in Directory.GetDirectories $"/proc/{pid}/task" do
          try
              (File.ReadAllText $"{thread}/comm").Trim()
          with
          | :? FileNotFoundException
          | :? DirectoryNotFoundException
          | :? IOException -> () ]

let private heldBy (pid: int) =
    let status = File.ReadAllLines $"/proc/{pid}/status"

    let number (name: string) =
        let line = status |> Array.find _.StartsWith($"{name}:")
        int (line.Split([| ' '; '\t' |], StringSplitOptions.RemoveEmptyEntries)[1])

    let threads = threadsOf pid
    let pool = threads |> List.filter ((=) ".NET TP Worker") |> List.length

    { Resident = float (number "VmRSS") / 1024.0
      Descriptors = Directory.GetFileSystemEntries($"/proc/{pid}/fd").Length
      Threads = List.length threads - pool
      Pool = pool }

/// The least of several looks, each behind an epoch: what is collected between them is not held.
let private levelOf (run: Run) pids =
    let looks =
        [ for _ in 1..12 do
              run.Next "epoch" |> ignore
              List.map heldBy pids ]

    [ for holdings in List.transpose looks ->
          { Resident = holdings |> List.map _.Resident |> List.min
            Descriptors = holdings |> List.map _.Descriptors |> List.min
            Threads = holdings |> List.map _.Threads |> List.min
            Pool = holdings |> List.map _.Pool |> List.min } ]

/// Two for each node that comes and goes; with fewer a leak in each of them could not be told from what the pool does by itself.
let private fewestGenerations = 16

/// A node comes, and is killed: two generations.
let private comeAndGo (run: Run) join =
    use node = Cnn.start [ "node"; "--join"; join ] run.Folder
    let output, errors = Lines node.StandardOutput, Lines node.StandardError

    try
        run.Until($"node {node.Id}", List.contains node.Id)
        run.Next "epoch" |> ignore
    finally
        node.Kill true

    run.Until($"node {node.Id} given up", (fun members -> not (List.contains node.Id members)))
    run.Next "epoch" |> ignore
    ignore (output.Last 0, errors.Last 0)

/// Whoever tries to reach a node that was killed leaves sockets, which a collection of garbage closes: some at any time, and never
/// many. Memory is what the collector lets grow before it looks, besides. The pool tries numbers of threads, and has had five more in a
/// run and fewer again; of one that waits for good in each generation there would be sixteen.
let private stays who before after =
    let said = $"{who}: %A{before} before, %A{after} after"
    Expect.isLessThan after.Resident (before.Resident * 1.2 + 16.0) $"memory of {said}"
    Expect.isLessThanOrEqual after.Descriptors (before.Descriptors + 48) $"files and sockets of {said}"
    Expect.isLessThanOrEqual after.Threads (before.Threads + 2) $"threads of {said}"
    Expect.isLessThanOrEqual after.Pool (before.Pool + fewestGenerations - 4) $"the pool's threads of {said}"

[<Tests>]
let tests =
    testList
        "Cli.soak (long)"
        [ test
              "over tens of thousands of steps and many generations memory, descriptors and threads stay what they were" {
              running script [ "--processes"; "2"; "--listen"; "127.0.0.1:0" ] (fun run ->
                  let join = string (run.Next("listen")["join"])

                  let processes =
                      ("the home", run.Id)
                      :: [ for pid in workers (run.Next "start") -> $"worker {pid}", pid ]

                  let pids = List.map snd processes

                  for _ in 1..3 do
                      comeAndGo run join

                  let before, first = levelOf run pids, int (run.Next("epoch")["step"])
                  let clock = Stopwatch.StartNew()
                  let mutable generations = 0

                  let steps () = int (run.Next("epoch")["step"]) - first

                  while clock.Elapsed < duration || steps () < 20_000 || generations < fewestGenerations do
                      comeAndGo run join
                      generations <- generations + 2

                  let after, taken = levelOf run pids, steps ()

                  printfn $"soak: {taken} steps, {generations} generations\n  %A{List.zip3 processes before after}"

                  for (who, _), before, after in List.zip3 processes before after do
                      stays who before after

                  Expect.equal (fst (run.Interrupt())) 130 "ends well")
          } ]
