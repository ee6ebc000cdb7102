/// The launcher in a checkout of one file a room, with a `dotnet` that only writes down what it is asked.
module CnnCluster.Tests.LauncherTests

open System
open System.Diagnostics
open System.IO
open Expecto

/// All that the launcher may use beside dotnet: tools that every POSIX system has.
let private tools =
    "sh cat dirname find ln mkdir mv readlink rm rmdir sed sleep sort uname".Split ' '

/// A build makes the program, unless a file named `broken` lies in the project, and first waits at `gate` if there
/// is one. Anything else is a run, which shows its arguments and what comes in.
let private fakeDotnet =
    """#!/bin/sh
folder=$(dirname "$0")
if [ "$1" != build ]; then
  shift
  echo "ran in $PWD:" "$@"
  cat
  exit 7
fi
echo "$@" >>"$folder/builds"
if [ -p "$folder/gate" ]; then read -r line <"$folder/gate"; fi
if [ -e "$2/broken" ]; then
  echo "error CS1002: ; expected"
  echo "a warning on the other stream" >&2
  exit 5
fi
mkdir -p "$2/bin/Release/net10.0"
: >"$2/bin/Release/net10.0/cnn.dll"
: >"$2/bin/Release/net10.0/CnnCluster.Tests.dll"
: >"$2/bin/Release/net10.0/CnnCluster.Bench.dll"
"""

let private executable =
    UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute

let private onPath name =
    Environment.GetEnvironmentVariable("PATH").Split Path.PathSeparator
    |> Seq.map (fun folder -> Path.Combine(folder, name))
    |> Seq.find File.Exists

type private Ended =
    { ExitCode: int
      Output: string
      Error: string }

/// A checkout in a folder with blanks in its name, and a PATH of its own.
type private Checkout() =
    let root = Directory.CreateTempSubdirectory("cnn launcher ").FullName
    let home = Path.Combine(root, "the sources")
    let bin = Path.Combine(root, "bin")
    let fake = Path.Combine(bin, "dotnet")

    do
        Directory.CreateDirectory home |> ignore
        Directory.CreateDirectory bin |> ignore

        for name in [ "cnn"; "global.json"; "nuget.config"; ".editorconfig"; "Directory.Build.props" ] do
            File.Copy(Repository.file name, Path.Combine(home, name))

        for room in [ "Kernels"; "Dsl"; "Trainer.Actors"; "Cli"; "bench"; "Tests" ] do
            Directory.CreateDirectory(Path.Combine(home, room)) |> ignore
            File.WriteAllText(Path.Combine(home, room, "Room.cs"), "")

        for tool in tools do
            File.CreateSymbolicLink(Path.Combine(bin, tool), onPath tool) |> ignore

        File.WriteAllText(fake, fakeDotnet)
        File.SetUnixFileMode(fake, executable)

    member _.Root = root
    member _.Path(name: string) = Path.Combine(home, name)

    member _.Write (name: string) (text: string) =
        File.WriteAllText(Path.Combine(home, name), text)

    member _.RemoveDotnet() = File.Delete fake
    member _.Gate = Path.Combine(bin, "gate")

    /// The arguments of each build so far.
    member _.Builds =
        let log = Path.Combine(bin, "builds")
        if File.Exists log then File.ReadAllLines log else [||]

    member _.Start(program: string, variables, arguments: string list) =
        let info =
            ProcessStartInfo(
                program,
                arguments,
                WorkingDirectory = root,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true
            )

        info.Environment["PATH"] <- bin

        for name in [ "CI"; "Backend" ] do
            info.Environment.Remove name |> ignore

        for name, value in variables do
            info.Environment[name] <- value

        Process.Start info

    interface IDisposable with
        member _.Dispose() = Directory.Delete(root, true)

let private ended (launched: Process) =
    use launched = launched
    let output = launched.StandardOutput.ReadToEndAsync()
    let error = launched.StandardError.ReadToEndAsync()
    launched.StandardInput.Close()

    if not (launched.WaitForExit(TimeSpan.FromSeconds 60.0)) then
        launched.Kill true
        failtest "the launcher did not end within a minute"

    { ExitCode = launched.ExitCode
      Output = output.Result
      Error = error.Result }

let private launchWith variables arguments (checkout: Checkout) =
    checkout.Start(checkout.Path "cnn", variables, arguments) |> ended

let private launch = launchWith []

/// How many builds there are after these changes, made one after the other with a start after each.
let private buildsAfter changes =
    use checkout = new Checkout()
    launch [] checkout |> ignore

    for change in changes do
        change checkout
        launch [] checkout |> ignore

    checkout.Builds.Length

let private building =
    [ test "builds before the first run, and passes on arguments, input and exit code" {
          use checkout = new Checkout()

          let launched =
              checkout.Start(checkout.Path "cnn", [], [ "train"; "my net.cnn"; "" ])

          launched.StandardInput.WriteLine "from standard input"
          let result = ended launched

          Expect.equal
              result
              { ExitCode = 7
                Output = $"ran in {checkout.Root}: train my net.cnn \nfrom standard input\n"
                Error = "" }
              "as the program alone, in the caller's folder"

          Expect.equal checkout.Builds.Length 1 "one build"
          Expect.stringContains checkout.Builds[0] $"""{checkout.Path "Cli"} -c Release""" "of the program"
      }
      test "does not build what is built" {
          Expect.equal (buildsAfter [ ignore; ignore ]) 1 "only the first start built"
      }
      test "builds again after a source was changed" {
          Expect.equal (buildsAfter [ fun c -> c.Write "Kernels/Room.cs" "//" ]) 2 "a changed file"
      }
      test "builds again after a source was added" {
          Expect.equal (buildsAfter [ (fun c -> c.Write "Dsl/New.fs" ""); ignore ]) 2 "a new file, built once"
      }
      test "builds again after a source was deleted" {
          Expect.equal
              (buildsAfter [ (fun c -> File.Delete(c.Path "Dsl/Room.cs")); ignore ])
              2
              "a file less, built once"
      }
      test "builds again after pinned versions or settings of the build changed" {
          let change name (c: Checkout) = c.Write name "changed"
          Expect.equal (buildsAfter [ change "global.json"; change "Directory.Build.props" ]) 3 "each of both"
      }
      test "builds again when the program is gone" {
          let delete (c: Checkout) =
              File.Delete(c.Path "Cli/bin/Release/net10.0/cnn.dll")

          Expect.equal (buildsAfter [ delete ]) 2 "there was nothing to run"
      }
      test "builds again for another backend" {
          use checkout = new Checkout()
          launch [] checkout |> ignore
          launchWith [ "Backend", "cuda" ] [] checkout |> ignore
          Expect.equal checkout.Builds.Length 2 "one build a backend"
      }
      test "build outputs and recorded runs are no sources" {
          let write (c: Checkout) =
              for folder in [ "Cli/obj"; "runs" ] do
                  Directory.CreateDirectory(c.Path folder) |> ignore
                  c.Write $"{folder}/made.cs" ""

          Expect.equal (buildsAfter [ write ]) 1 "nothing to build"
      }
      test "test builds and runs the test program" {
          use checkout = new Checkout()
          let result = launch [ "test"; "--long" ] checkout
          Expect.equal result.Output $"ran in {checkout.Root}: --long\n" "the rest of the arguments"
          Expect.stringContains checkout.Builds[0] (checkout.Path "Tests") "the tests' project"
      }
      test "bench builds and runs the measuring program" {
          use checkout = new Checkout()
          let result = launch [ "bench"; "--quick" ] checkout
          Expect.equal result.Output $"ran in {checkout.Root}: --quick\n" "the rest of the arguments"
          Expect.stringContains checkout.Builds[0] (checkout.Path "bench") "the measuring project"
      }
      test "the tests' sources do not matter to the program" {
          Expect.equal (buildsAfter [ fun c -> c.Write "Tests/Room.cs" "//" ]) 1 "only to `cnn test`"
      }
      test "with CI set, restores in locked mode, stops at any warning and leaves no build server" {
          use checkout = new Checkout()
          launchWith [ "CI", "true" ] [] checkout |> ignore

          Expect.stringContains
              checkout.Builds[0]
              "-p:RestoreLockedMode=true -warnaserror --disable-build-servers"
              "all three"
      } ]

let private failing =
    [ test "a failing build shows its output, ends with 1 and is tried again" {
          use checkout = new Checkout()
          checkout.Write "Cli/broken" ""
          let result = launch [] checkout
          Expect.equal (result.ExitCode, result.Output) (1, "") "nothing ran"
          Expect.stringContains result.Error "error CS1002: ; expected\na warning on the other stream" "both streams"
          File.Delete(checkout.Path "Cli/broken")
          Expect.equal (launch [] checkout).ExitCode 7 "built and run"
      }
      test "a failing build leaves the last good one stale" {
          use checkout = new Checkout()
          launch [] checkout |> ignore
          checkout.Write "Cli/broken" ""
          Expect.equal (launch [] checkout).ExitCode 1 "fails"
          Expect.equal (launch [] checkout).ExitCode 1 "fails again, instead of running what was built before"
      }
      test "without dotnet, says which SDK is needed" {
          use checkout = new Checkout()
          checkout.RemoveDotnet()
          let result = launch [] checkout
          Expect.equal (result.ExitCode, result.Output) (1, "") "nothing ran"
          Expect.stringContains result.Error "the .NET SDK 10.0.100 or newer is needed" "the version of global.json"
      } ]

let private places =
    [ test "runs through a chain of symlinks from another folder" {
          use checkout = new Checkout()
          let first = Path.Combine(checkout.Root, "first link")
          let second = Path.Combine(checkout.Root, "second link")
          File.CreateSymbolicLink(first, Path.Combine("the sources", "cnn")) |> ignore
          File.CreateSymbolicLink(second, first) |> ignore
          let result = checkout.Start(second, [], [ "check" ]) |> ended
          Expect.equal (result.ExitCode, result.Error) (7, "") "found its sources"
          Expect.equal checkout.Builds.Length 1 "and built them"
      }
      test "is not led astray by CDPATH" {
          use checkout = new Checkout()
          let result = launchWith [ "CDPATH", checkout.Root ] [ "x" ] checkout
          Expect.equal (result.Output, result.Error) ($"ran in {checkout.Root}: x\n", "") "no line of cd's own"
      } ]

let private locking =
    [ test "of two that start at once, one builds and the other waits for it" {
          use checkout = new Checkout()
          Process.Start("mkfifo", [ checkout.Gate ]).WaitForExit()
          let both = List.init 2 (fun _ -> checkout.Start(checkout.Path "cnn", [], []))
          // Opens when a build has come to the gate; a second build would wait there for ever.
          File.WriteAllText(checkout.Gate, "go on\n")
          Expect.equal (both |> List.map (fun p -> (ended p).ExitCode)) [ 7; 7 ] "both ran"
          Expect.equal checkout.Builds.Length 1 "one build"
      }
      test "a lock whose owner has died does not hold up the next" {
          use checkout = new Checkout()
          use gone = checkout.Start("/bin/sh", [], [ "-c"; "uname -n" ])
          let machine = gone.StandardOutput.ReadToEnd().Trim()
          gone.WaitForExit()
          Directory.CreateDirectory(checkout.Path ".cnn") |> ignore

          File.CreateSymbolicLink(checkout.Path ".cnn/lock", $"{machine}:{gone.Id}")
          |> ignore

          Expect.equal (launch [] checkout).ExitCode 7 "built and run"
          Expect.isEmpty (Directory.EnumerateFileSystemEntries(checkout.Path ".cnn", "lock*")) "no lock is left"
      }
      test "a failing build gives the lock back" {
          use checkout = new Checkout()
          checkout.Write "Cli/broken" ""
          launch [] checkout |> ignore
          Expect.isEmpty (Directory.EnumerateFileSystemEntries(checkout.Path ".cnn", "lock*")) "no lock is left"
      } ]

[<Tests>]
let tests = testList "Launcher (long)" (building @ failing @ places @ locking)
