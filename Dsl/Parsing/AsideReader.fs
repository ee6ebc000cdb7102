/// Finds comments and blank lines in one pass over the text, so that the parsers may look ahead and go back as they
/// please: what stands where does not depend on how it was read.
module internal CnnCluster.Dsl.Parsing.AsideReader

open System
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax

/// Where an aside begins, and what it is.
[<Struct>]
type PlacedAside = { Offset: int; Aside: Aside }

/// The place behind a string that begins at `start`; one that is not closed ends with its line.
let private stringEnd (text: string) start =
    let rec go at =
        if at >= text.Length || text[at] = '\n' || text[at] = '\r' then at
        elif text[at] = '\\' then go (at + 2)
        elif text[at] = '"' then at + 1
        else go (at + 1)

    min text.Length (go (start + 1))

/// Where the comment of a line begins, if it has one.
let private commentIn (text: string) start finish =
    let rec go at =
        if at >= finish then None
        elif text[at] = '#' then Some at
        elif text[at] = '"' then go (stringEnd text at)
        else go (at + 1)

    go start

/// All asides of a text, in order.
let read (text: string) : PlacedAside[] =
    let found = ResizeArray()
    let mutable start = 0

    while start < text.Length do
        let finish = Lines.endOf text start

        match commentIn text start finish with
        | Some at ->
            found.Add
                { Offset = at
                  Aside = Comment(text.Substring(at + 1, finish - at - 1).Trim()) }
        | None when text.AsSpan(start, finish - start).Trim(" \t".AsSpan()).IsEmpty ->
            found.Add { Offset = start; Aside = BlankLine }
        | None -> ()

        start <- if finish = text.Length then finish else Lines.after text finish

    found.ToArray()
