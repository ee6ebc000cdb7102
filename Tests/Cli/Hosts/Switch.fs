/// A switch in user space between hosts that are network namespaces. Its cables take their time, lose frames, and can be cut:
/// what netem does on a kernel that has it, with nothing but TAP devices.
module CnnCluster.Tests.Cli.Hosts.Switch

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.IO
open System.Runtime.InteropServices
open System.Text
open System.Threading
open Microsoft.Win32.SafeHandles

/// linux/if_tun.h: makes of an open device an interface of a name.
let private setInterface = 0x400454CAun

/// Whole Ethernet frames (IFF_TAP), and nothing in front of them (IFF_NO_PI).
[<Literal>]
let private Flags = 0x1002us

[<DllImport("libc", SetLastError = true)>]
extern int private ioctl(SafeFileHandle device, unativeint request, byte[] interfaceRequest)

let private openTap (name: string) =
    let device =
        File.OpenHandle("/dev/net/tun", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite)

    let request = Array.zeroCreate 40
    Encoding.ASCII.GetBytes(name).CopyTo(request, 0)
    BitConverter.GetBytes(Flags).CopyTo(request, 16)

    if ioctl (device, setInterface, request) <> 0 then
        failwith $"no TAP device {name}: {Marshal.GetLastPInvokeErrorMessage()}"

    new FileStream(device, FileAccess.ReadWrite, 0)

let private onThread name (work: unit -> unit) =
    Thread(work, IsBackground = true, Name = name).Start()

/// What all cables have in common.
type private Weather() =
    /// In milliseconds, one way.
    member val Delay = 0.0 with get, set
    /// Of a frame, between 0 and 1.
    member val Loss = 0.0 with get, set

/// The cable of one host, and what is on its way to it.
type private Port(device: FileStream) =
    let coming = new BlockingCollection<struct (int64 * byte[])>()

    let wait (due: int64) =
        let left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due)
        if left > TimeSpan.Zero then Thread.Sleep left

    let send (frame: byte[]) =
        try
            device.Write(ReadOnlySpan frame)
        with :? IOException ->
            // The host's interface is down: so is the frame.
            ()

    let carry () =
        while true do
            let struct (due, frame) = coming.Take()
            wait due
            send frame

    do onThread "to a host" carry

    member val IsCut = false with get, set
    member _.Put(due, frame) = coming.Add(struct (due, frame))

    member _.Read(frame: byte[]) = device.Read(Span frame)

/// Passes a frame to the port of its receiver, or to all where nobody has been heard of at that address.
type private Switch(ports: Port[], weather: Weather, seed) =
    let known = ConcurrentDictionary<uint64, Port>()
    let random = Random(seed: int)

    let addressAt (frame: byte[]) offset =
        BitConverter.ToUInt64(Array.append frame[offset .. offset + 5] [| 0uy; 0uy |], 0)

    let mutable passed = 0
    let mutable lost = 0

    let isLost () =
        lock random (fun () -> random.NextDouble() < weather.Loss)

    let pass (frame: byte[]) (port: Port) =
        if port.IsCut || isLost () then
            Interlocked.Increment &lost |> ignore
        else
            Interlocked.Increment &passed |> ignore
            let delay = int64 (weather.Delay / 1000.0 * float Stopwatch.Frequency)
            port.Put(Stopwatch.GetTimestamp() + delay, frame)

    let forward (from: Port) (frame: byte[]) =
        known[addressAt frame 6] <- from

        match known.TryGetValue(addressAt frame 0) with
        | true, port -> pass frame port
        | _ ->
            for port in ports do
                if not (obj.ReferenceEquals(port, from)) then pass frame port

    let listen (port: Port) =
        let buffer = GC.AllocateArray<byte>(65536, pinned = true)

        while true do
            let length = port.Read buffer

            if length >= 14 && not port.IsCut then
                forward port (Array.sub buffer 0 length)

    /// Frames that were passed, and those that were not.
    member _.Count = $"{passed} {lost}"

    member _.Start() =
        for port in ports do
            onThread "from a host" (fun () -> listen port)

/// The address of a host, from 1.
let addressOf host = $"10.77.0.{host}"

/// Keeps a host's namespaces: says the process that has them, then takes its end of the cable, until its input ends.
let private keeper host =
    String.concat
        " && "
        [ "read pid rest < /proc/self/stat"
          "echo $pid"
          "read cable"
          $"hostname host-{host}"
          // Memory of its own: through the machine's, workers would find that they are on one.
          "mount -t tmpfs memory /dev/shm"
          "ip link set lo up"
          $"ip address add {addressOf host}/24 dev eth0"
          "ip link set eth0 up"
          "echo ready"
          "read end" ]

let private run program (arguments: string list) =
    use made = Process.Start(ProcessStartInfo(program, arguments))
    made.WaitForExit()

    if made.ExitCode <> 0 then
        failwith $"""{program} {String.concat " " arguments} ended with {made.ExitCode}"""

/// A host's namespaces: the process that keeps them as long as its input is open, its number as others see it, and the
/// switch's end of its cable.
let private start host =
    let info =
        ProcessStartInfo(
            "unshare",
            [ "--net"; "--uts"; "--mount"; "sh"; "-c"; keeper host ],
            RedirectStandardInput = true,
            RedirectStandardOutput = true
        )

    let kept = Process.Start info
    let seen = kept.StandardOutput.ReadLine()
    let device = openTap $"cable{host}"
    run "ip" [ "link"; "set"; $"cable{host}"; "netns"; string kept.Id; "name"; "eth0" ]
    kept.StandardInput.WriteLine "here"

    if kept.StandardOutput.ReadLine() <> "ready" then
        failwith $"host {host} has no network"

    kept, seen, Port device

/// Makes as many hosts, says which processes have their namespaces, and obeys its input until that ends: `cut HOST`,
/// `mend HOST`, `weather MILLISECONDS LOSS`. To each it answers how many frames have come and how many were lost by then.
let serve hosts =
    let made = [| for host in 1..hosts -> start host |]
    let ports, weather = [| for _, _, port in made -> port |], Weather()
    let switch = Switch(ports, weather, 1)
    switch.Start()
    Console.Out.WriteLine(String.concat " " [ for _, seen, _ in made -> seen ])

    let rec obey () =
        match Console.In.ReadLine() with
        | null -> 0
        | line ->
            match List.ofArray (line.Split ' ') with
            | [ "cut"; host ] -> ports[int host - 1].IsCut <- true
            | [ "mend"; host ] -> ports[int host - 1].IsCut <- false
            | [ "weather"; delay; loss ] ->
                weather.Delay <- float delay
                weather.Loss <- float loss
            | _ -> failwith $"no such command: {line}"

            Console.Out.WriteLine switch.Count
            obey ()

    let ended = obey ()

    // A process that nobody holds any more is collected, and its input closed with it.
    GC.KeepAlive made
    ended
