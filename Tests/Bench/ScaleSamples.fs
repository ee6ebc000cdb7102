/// Figures of a machine on which the cost model is right.
module internal CnnCluster.Tests.Bench.ScaleSamples

open System
open System.Collections.Generic
open Expecto
open CnnCluster.Bench.Report
open CnnCluster.Bench.Scale
open CnnCluster.Bench.Scale.Model
open CnnCluster.Tests.Comparisons

let isNear (actual: float) (expected: float) message =
    let scale = max 1e-300 (abs expected)
    Expect.isLessThan (abs (actual - expected) / scale) 1e-9 $"{message}: {actual} for {expected}"

let megabyte = 1e6

/// Microseconds a message, a tenth of it to send it, and some gigabytes a second.
let cost = LinkCost(20e-6, 2e-6, 0.5e-9, 0.1e-9, 0.3e-9)

let network gigabits latency =
    Link.Network("a network", cost, gigabits, latency)

/// What a message in a row takes longer where ranks share cores.
let turn = 7e-6

/// What the ranks of a machine with two cores would have measured if the model were right.
let measured (cost: LinkCost) link =
    [| for world in Schedule.Worlds do
           for struct (operation, bytes) in Schedule.Operations false do
               let point = LinkPoint(link, world, operation, bytes, 1.0, 1.0, 1.0)
               let work, sharing = MeasuredWork.Of point, LinkCost.Sharing(world, 2)
               let turns = if world > 2 then turn * work.Rounds else 0.0
               let seconds = sharing * (cost.Seconds work + turns)
               LinkPoint(link, world, operation, bytes, seconds, seconds, seconds) |]

let fit points =
    LinkFit.Of(points, 2, (fun (point: LinkPoint) -> Schedule.IsHeldOut point))

let figures () =
    let machine =
        MachineFigures("A processor", 2, "X64 vector512", "an OS", 0.25, Dictionary(dict [ "cnn", "0.1.0" ]))

    let shape name parameters statistics =
        NetworkShape(name, parameters, statistics)

    let computing network most =
        [ for samples in Schedule.Samples(most, false) ->
              let seconds = 1e-3 + 1e-4 * float samples
              ComputingPoint(network, samples, 40, seconds, [| SlowestOf(16, seconds * 1.1) |]) ]

    ScaleFigures(
        DateTimeOffset.UnixEpoch,
        machine,
        [| shape "lenet5" 61_706L [||]
           shape "vgg" 800_000L [||]
           shape "resnet18" 11_000_000L [| 64L; 128L |]
           shape "resnet50" 25_557_032L [| 64L |] |],
        [| for link in [ LinkKind.Threads; LinkKind.SharedMemory; LinkKind.Tcp; LinkKind.Tls ] do
               yield! measured cost link
           LinkPoint(LinkKind.Hosts, 4, MeasuredOperation.AllReduce, 1L <<< 22, 5e-3, 5e-3, 5e-3) |],
        [| for struct (network, most) in Schedule.Networks do
               yield! computing network most |],
        [| PairPoint("lenet5", LinkKind.Tcp, 64, 5e-3) |]
    )
