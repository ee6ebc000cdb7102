/// Several hosts on one machine: network namespaces, joined by a switch whose cables can be slow, bad or cut.
module CnnCluster.Tests.Cli.Hosts.Hosts

open System
open System.Diagnostics
open System.IO
open CnnCluster.Tests.Cli

/// New namespaces in which whoever started them may do what root may, and whose processes end with the first of them.
let private sandbox =
    [ "--user"; "--map-root-user"; "--net"; "--uts"; "--pid"; "--fork"; "--kill-child" ]

let private start program (arguments: string list) =
    Process.Start(
        ProcessStartInfo(
            program,
            arguments,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )
    )

/// Why a command cannot be done here; nothing where it can.
let private refusal program arguments =
    try
        use tried = start program arguments
        let said = tried.StandardError.ReadToEnd().Trim()
        tried.WaitForExit()
        if tried.ExitCode = 0 then None else Some $"{program}: {said}"
    with :? ComponentModel.Win32Exception as e ->
        Some $"{program}: {e.Message}"

/// Why this machine has no hosts of this kind; nothing where it has.
let whyNot () =
    if not (OperatingSystem.IsLinux()) then
        Some "network namespaces are Linux's"
    else
        [ "unshare", sandbox @ [ "ip"; "tuntap"; "add"; "dev"; "trial"; "mode"; "tap" ]
          "unshare", sandbox @ [ "--mount"; "mount"; "-t"; "tmpfs"; "trial"; "/dev/shm" ]
          "unshare", sandbox @ [ "hostname"; "trial" ]
          "nsenter", [ "--version" ] ]
        |> List.tryPick (fun (program, arguments) -> refusal program arguments)

/// The process of the program that was started on a host: who enters others' processes is not among them, but its child is.
let programOf (entering: Process) =
    let children =
        Path.Combine("/proc", string entering.Id, "task", string entering.Id, "children")

    let mutable program = 0

    let isThere () =
        Int32.TryParse(File.ReadAllText(children).Trim(), &program)

    if Threading.SpinWait.SpinUntil(isThere, Runs.patience) then
        program
    else
        failwith $"process {entering.Id} has started nothing"

/// Hosts 1 to `count`, and the switch that joins them.
type Hosts(count: int) =
    let tests = Path.Combine(AppContext.BaseDirectory, "CnnCluster.Tests.dll")

    let switch =
        start "unshare" (sandbox @ [ "dotnet"; tests; "--switch"; string count ])

    let said () =
        match switch.StandardOutput.ReadLine() with
        | null -> failwith $"the switch has ended: {switch.StandardError.ReadToEnd()}"
        | line -> line

    let keepers = (said ()).Split ' '

    /// Frames that have come and frames that were lost, by then.
    let tell (command: string) =
        try
            switch.StandardInput.WriteLine command
        with :? IOException ->
            failwith $"the switch has ended: {switch.StandardError.ReadToEnd()}"

        let counts = (said ()).Split ' '
        int counts[0], int counts[1]

    /// Each frame takes so many milliseconds, and may be lost with this probability.
    member _.Weather(milliseconds: float, loss: float) = tell $"weather {milliseconds} {loss}"

    member _.Cut(host: int) = tell $"cut {host}" |> ignore
    member _.Mend(host: int) = tell $"mend {host}" |> ignore

    /// Starts `cnn` on a host.
    member _.Start(host: int, arguments: string list, folder) =
        let inside =
            [ "nsenter"
              "--target"
              keepers[host - 1]
              "--user"
              "--net"
              "--uts"
              "--pid"
              "--mount"
              "--preserve-credentials" ]
            // Who enters another tree of files is at its root.
            @ [ "env"; "--default-signal=INT"; "sh"; "-c"; "cd \"$0\" && exec \"$@\""; folder ]

        Cnn.startThrough inside arguments folder

    interface IDisposable with
        /// With the first process of the sandbox all of them end.
        member _.Dispose() =
            switch.Kill true
            switch.WaitForExit()
            switch.Dispose()
