/// Kernels choose their registers by what the machine has. Where it has wide ones, narrow ones are tested in processes that are
/// told to do without.
module CnnCluster.Tests.Kernels.Layers.RegisterTests

open System
open System.Diagnostics
open System.Reflection
open System.Runtime.Intrinsics
open System.Text.RegularExpressions
open Expecto
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Tests.Comparisons

/// .NET's variables, and the widths that a process has no hardware for where one of them is 0 (those of .NET 10:
/// before, the first was EnableAVX512F).
let private widths =
    [ "DOTNET_EnableAVX512", [ RegisterWidth.Bits512 ]
      "DOTNET_EnableAVX2", [ RegisterWidth.Bits512; RegisterWidth.Bits256 ] ]

let private isAccelerated =
    function
    | RegisterWidth.Bits512 -> Vector512.IsHardwareAccelerated
    | RegisterWidth.Bits256 -> Vector256.IsHardwareAccelerated
    | _ -> Vector128.IsHardwareAccelerated

let private forbidden =
    [ for variable, without in widths do
          if Environment.GetEnvironmentVariable variable = "0" then
              yield! without ]

[<Tests>]
let tests =
    testList
        "Kernels.Layers.registers"
        [ test "a process has no wider registers than its environment lets it have" {
              Expect.isFalse (List.contains RegisterWidths.Widest forbidden) $"{RegisterWidths.Widest}"
              Expect.isEmpty (List.filter isAccelerated forbidden) "of .NET's vectors, too"
              Expect.isTrue (isAccelerated RegisterWidths.Widest) "the widest are the hardware's"
          } ]

/// The closing line of this program's run of a test list, with one variable set.
let private closing variable list =
    let start =
        ProcessStartInfo(
            "dotnet",
            [ Assembly.GetExecutingAssembly().Location; "--filter-test-list"; list ],
            RedirectStandardOutput = true
        )

    start.Environment[variable] <- "0"
    use tests = Process.Start start

    try
        let output = tests.StandardOutput.ReadToEndAsync()

        if not (output.Wait(TimeSpan.FromMinutes 15.0)) then
            failtest $"{list} with {variable}=0 has not ended"

        tests.WaitForExit()
        output.Result
    finally
        if not tests.HasExited then tests.Kill true

[<Tests>]
let narrow =
    testSequenced
    <| testList
        "Kernels.Layers with narrow registers (long)"
        [ for variable, without in widths do
              // Where the machine has none of these, every other run of the tests is one without them.
              if List.contains RegisterWidths.Widest without then
                  test $"all kernels of layers pass with {variable}=0" {
                      let output = closing variable "Kernels.Layers"
                      let counts = Regex.Match(output, @"(\d+) passed, (\d+) failed\s*$")
                      Expect.isTrue counts.Success output
                      Expect.equal counts.Groups[2].Value "0" output
                      Expect.isGreaterThan (int counts.Groups[1].Value) 0 "there are some"
                  } ]
