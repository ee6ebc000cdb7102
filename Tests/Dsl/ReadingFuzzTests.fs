/// Whatever the text, reading it gives a tree or errors in their places, soon.
module CnnCluster.Tests.Dsl.ReadingFuzzTests

open System
open System.Diagnostics
open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.Scripts

/// The line and column of an offset, counted anew.
let private lineAndColumn (text: string) offset =
    let rec go line start =
        let finish = Lines.endOf text start

        if offset <= finish || finish = text.Length then
            line, offset - start + 1
        else
            let next = Lines.after text finish
            if offset < next then line, offset - start + 1 else go (line + 1) next

    go 1 0

let private isInside (text: string) (diagnostic: Diagnostic) =
    let { Start = start; End = finish } = diagnostic.Span

    let message =
        $"{diagnostic.Message} at {start.Offset}-{finish.Offset} of {text.Length}"

    Expect.isTrue
        (0 <= start.Offset
         && start.Offset <= finish.Offset
         && finish.Offset <= text.Length)
        message

    Expect.equal (start.Line, start.Column) (lineAndColumn text start.Offset) message

/// The printed tree is the same tree, and its own canonical form, with every comment.
let private survivesPrinting text script =
    let printed = Printer.print script
    Expect.equal (placeless (tree printed)) (placeless script) $"{text}\n---\n{printed}"
    Expect.equal (Printer.print (tree printed)) printed "printed twice"

/// Reads a text, and once more if that takes too long: a machine that is busy elsewhere is no fault of the text.
let private readInTime text =
    let timed () =
        let clock = Stopwatch.StartNew()
        let result = parse text
        result, clock.Elapsed.TotalSeconds

    let result, seconds =
        match timed () with
        | _, seconds when seconds > 1.0 -> timed ()
        | once -> once

    Expect.isLessThan seconds 1.0 "seconds"
    result

let private readsWell text =
    let script, diagnostics = readInTime text
    let report = Report.renderAll [ source text ] diagnostics
    Expect.equal (report = "") diagnostics.IsEmpty "every mistake is reported"
    List.iter (isInside text) diagnostics

    if diagnostics.IsEmpty then survivesPrinting text script

let private property count =
    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = count
            endSize = 60 }
        $"scripts at random and scripts with damage are read, or refused in place"
        (Prop.forAll (Arb.fromGen ScriptGenerators.script) readsWell)

[<Tests>]
let tests =
    testList
        "Dsl.Reading fuzz"
        [ property 2_000
          test "the originals are right, and enough of what is made from them is" {
              for text in ScriptGenerators.originals do
                  Expect.isEmpty (snd (parse text)) text

              let right =
                  Gen.sample 300 ScriptGenerators.mutant
                  |> Array.filter (fun text -> List.isEmpty (snd (parse text)))

              Expect.isGreaterThan right.Length 50 "right ones"
              Expect.isLessThan right.Length 290 "and wrong ones"
          } ]

[<Tests>]
let long =
    testList "Dsl.Reading fuzz (long)" [ property (ScriptGenerators.cases 30_000) ]
