/// Scripts, right and wrong, at random: soups of tokens, and copies of real scripts with some damage.
module CnnCluster.Tests.Dsl.ScriptGenerators

open System
open System.IO
open FsCheck
open FsCheck.FSharp
open CnnCluster.Tests
open CnnCluster.Tests.Docs

/// What a script is made of, and some of what it is not.
let tokens =
    [| "{"
       "}"
       "("
       ")"
       "["
       "]"
       "#"
       "\n"
       ";"
       " "
       "="
       "-"
       "*"
       "/"
       "\""
       "\\"
       ","
       ".."
       "."
       ":"
       "'"
       "?x3"
       "5x5"
       "28x28x1"
       "1e9"
       "1e999"
       "0.5"
       "3"
       "12345678901x3"
       "5y5"
       "x"
       "not "
       " and "
       " or "
       "=="
       "<"
       ">="
       "!"
       "//"
       "/*"
       "*/"
       "network N {\n"
       "train N {\n"
       "shared s {"
       "block b(n, m = 1) {"
       "import \"a\""
       "if a > 1 {"
       " else {"
       " else if "
       " elif "
       "repeat 3 {"
       "repeat i in 1..3 {"
       "repeat a, b in [1 2; 3 4] {"
       "defaults { "
       "input 28x28x1\n"
       "conv 6 5x5 pad=same relu\n"
       "conv"
       "relu"
       "maxpool 2x2\n"
       "dense 10\n"
       "flatten\n"
       "add { relu } { }"
       "concat here"
       " as x"
       "from x\n"
       "output y\n"
       "let n = "
       "here.channels"
       "leakyrelu(0.1)"
       "kernel-init=he"
       "optimizer sgd lr=0.1\n"
       "data mnist\n"
       "batch 32\n"
       "# a comment\n"
       "\n    "
       "\r\n"
       "\r"
       "\t"
       "\uFFFF"
       "\000"
       "\u00A0"
       "×"
       "−"
       "é"
       "٣"
       "\U0001F600"
       "\uD83D"
       "\uFEFF" |]

/// Tokens in any order.
let soup = Gen.elements tokens |> Gen.listOf |> Gen.map (String.concat "")

/// The examples, and every snippet of the language's reference.
let originals =
    [| for path in Directory.GetFiles(Repository.file "examples", "*.cnn") |> Array.sort do
           File.ReadAllText path
       for language, _, text in Markdown.blocks (Markdown.lines "docs/language.md") do
           if language.Split(' ')[0] = "cnn" then text |]

/// A stretch of a text: where it begins, and how long it is.
let private stretch (text: string) =
    gen {
        let! start = Gen.choose (0, text.Length)
        let! length = Gen.frequency [ 3, Gen.choose (0, 3); 1, Gen.choose (0, 40) ]
        return start, min length (text.Length - start)
    }

/// One change: a stretch is left out, doubled, moved or exchanged for a token, or a token is put in.
let private change (text: string) =
    gen {
        let! start, length = stretch text
        let! target = Gen.choose (0, text.Length - length)
        let! token = Gen.elements tokens
        let part = text.Substring(start, length)
        let rest = text.Remove(start, length)

        return!
            Gen.elements
                [ rest
                  text.Insert(start, part)
                  rest.Insert(target, part)
                  rest.Insert(start, token)
                  text.Insert(start, token) ]
    }

let rec private changed count text =
    if count = 0 then
        Gen.constant text
    else
        Gen.bind (changed (count - 1)) (change text)

/// A real script with a few changes.
let mutant =
    gen {
        let! text = Gen.elements originals
        let! count = Gen.frequency [ 4, Gen.choose (0, 2); 1, Gen.choose (3, 12) ]
        return! changed count text
    }

/// Any of these: mostly nearly right scripts, since those get farthest.
let script =
    Gen.frequency [ 5, mutant; 2, soup; 1, Gen.map (fun text -> "network N {\n" + text + "\n}\n") soup ]

/// How many cases a test of these takes: `CNN_FUZZ`, or what it takes without.
let cases usual =
    match Environment.GetEnvironmentVariable "CNN_FUZZ" with
    | null
    | "" -> usual
    | text ->
        match Int32.TryParse text with
        | true, number when number > 0 -> number
        | _ -> failwith $"CNN_FUZZ is a number of cases, and '{text}' is none"
